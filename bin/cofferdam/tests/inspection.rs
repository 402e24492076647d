//! What is shown of a container, of this host and of this program: every field that Docker's scripts read.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use serde_json::{Value, json};
use support::{Home, is_root};

fn home(test: &str) -> Option<Home> {
    is_root(test).then(Home::new)
}

/// Docker 28's fields of each part of `docker inspect`.
const HOST_CONFIG: &str = "Binds ContainerIDFile LogConfig NetworkMode PortBindings RestartPolicy AutoRemove VolumeDriver \
    VolumesFrom ConsoleSize CapAdd CapDrop CgroupnsMode Dns DnsOptions DnsSearch ExtraHosts GroupAdd IpcMode Cgroup Links \
    OomScoreAdj PidMode Privileged PublishAllPorts ReadonlyRootfs SecurityOpt UTSMode UsernsMode ShmSize Runtime Isolation \
    CpuShares Memory NanoCpus CgroupParent BlkioWeight BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps \
    BlkioDeviceReadIOps BlkioDeviceWriteIOps CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime CpusetCpus CpusetMems \
    Devices DeviceCgroupRules DeviceRequests MemoryReservation MemorySwap MemorySwappiness OomKillDisable PidsLimit Ulimits \
    CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth MaskedPaths ReadonlyPaths";
const CONFIG: &str = "Hostname Domainname User AttachStdin AttachStdout AttachStderr Tty OpenStdin StdinOnce Env Cmd Image \
    Volumes WorkingDir Entrypoint OnBuild Labels";
const TOP: &str = "Id Created Path Args State Image ResolvConfPath HostnamePath HostsPath LogPath Name RestartCount Driver \
    Platform MountLabel ProcessLabel AppArmorProfile ExecIDs HostConfig GraphDriver Mounts Config NetworkSettings";
const STATE: &str = "Status Running Paused Restarting OOMKilled Dead Pid ExitCode Error StartedAt FinishedAt";
const NETWORK: &str = "Bridge SandboxID SandboxKey Ports EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen IPAddress \
    IPPrefixLen IPv6Gateway MacAddress Networks";
const INFO: &str = "Containers ContainersRunning ContainersPaused ContainersStopped Images Driver LoggingDriver CgroupDriver \
    CgroupVersion KernelVersion OperatingSystem OSType Architecture NCPU MemTotal DockerRootDir Name ServerVersion \
    DefaultRuntime SecurityOptions Warnings MemoryLimit SwapLimit CPUShares CPUSet PidsLimit SystemTime";

fn has(value: &Value, fields: &str) {
    for field in fields.split_whitespace() {
        assert!(value.get(field).is_some(), "no {field} in {value:#}");
    }
}

#[test]
fn inspect_has_every_field_of_dockers() {
    let Some(home) = home("inspect_has_every_field_of_dockers") else { return };
    let flags = [
        &["create", "--name", "box", "-i", "-m", "64m", "--pids-limit", "50", "--ulimit", "nofile=100:200"][..],
        &["--tmpfs", "/t:size=64k", "--security-opt", "no-new-privileges", "--add-host", "a:127.0.0.9"],
        &[
            "--log-opt",
            "max-size=1m",
            "-v",
            "/usr/share:/share",
            "-v",
            "data:/data",
            "host",
            "--",
            "sleep",
            "5",
        ],
    ];
    home.ok(&flags.concat());
    let list: Value = serde_json::from_str(&home.ok(&["inspect", "-s", "box"])).unwrap();
    let shown = &list[0];
    for (value, fields) in [
        (shown, TOP),
        (&shown["State"], STATE),
        (&shown["Config"], CONFIG),
        (&shown["HostConfig"], HOST_CONFIG),
        (&shown["NetworkSettings"], NETWORK),
    ] {
        has(value, fields);
    }
    let host = &shown["HostConfig"];
    assert_eq!((&host["Memory"], &host["PidsLimit"]), (&json!(64 << 20), &json!(50)));
    assert_eq!(host["Ulimits"], json!([{ "Name": "nofile", "Hard": 200, "Soft": 100 }]));
    assert_eq!((&host["IpcMode"], &host["CgroupnsMode"]), (&json!("private"), &json!("private")));
    assert_eq!(host["LogConfig"], json!({ "Type": "json-file", "Config": { "max-size": "1m" } }));
    assert_eq!(host["Tmpfs"], json!({ "/t": "size=65536" }));
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges"]));
    assert_eq!(shown["Config"]["Cmd"], json!(["sleep", "5"]));
    assert_eq!(shown["Config"]["OpenStdin"], json!(true));
    assert!(std::path::Path::new(shown["HostsPath"].as_str().unwrap()).exists(), "{}", shown["HostsPath"]);
    assert!(shown["SizeRw"].is_u64() && shown["SizeRootFs"].is_u64());
}

/// Docker's templates walk typed values: a field that is empty prints as empty.
#[test]
fn templates_of_scripts_find_empty_fields() {
    let Some(home) = home("templates_of_scripts_find_empty_fields") else { return };
    home.ok(&["create", "--name", "box", "-v", "/usr/share:/share", "-v", "data:/data", "host", "true"]);
    let render = |template: &str| home.ok(&["inspect", "-f", template, "box"]);
    assert_eq!(render("{{range .Mounts}}[{{.Name}}]{{end}}"), "[][data]");
    assert_eq!(render("{{.NetworkSettings.IPAddress}}|{{json .NetworkSettings.Ports}}"), "|{}");
    assert_eq!(render("{{if .State.Health}}{{.State.Health.Status}}{{else}}no check{{end}}"), "no check");
    assert_eq!(home.run(&["inspect", "-f", "{{.State.Healthy}}", "box"]).code, 1);
    assert_eq!(home.ok(&["ps", "-a", "--format", "{{.LocalVolumes}}"]), "1");
}

#[test]
fn info_tells_what_containers_depend_on() {
    let Some(home) = home("info_tells_what_containers_depend_on") else { return };
    let info: Value = serde_json::from_str(&home.ok(&["info", "--format", "json"])).unwrap();
    has(&info, INFO);
    has(&info, "SecurityModules SeccompActions MaxUserNamespaces UidRanges GidRanges Zones StateDir");
    let version = if std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() { "2" } else { "1" };
    assert_eq!(info["CgroupVersion"], version);
    assert_eq!(info["UidRanges"][0].as_str().unwrap().split(':').next(), Some("1879048192"));
    let options = info["SecurityOptions"].as_array().unwrap();
    assert!(
        options.contains(&json!("name=seccomp,profile=builtin")) && options.contains(&json!("name=userns"))
    );
    assert!(home.ok(&["info"]).contains("CgroupVersion:"));
    let version =
        home.ok(&["version", "--format", "{{.Server.Version}} {{.Client.APIVersion}}{{.Server.GitCommit}}"]);
    assert!(version.starts_with(env!("CARGO_PKG_VERSION")), "{version}");
}

#[test]
fn the_image_host_is_there_to_see() {
    let Some(home) = home("the_image_host_is_there_to_see") else { return };
    let table = home.ok(&["image", "ls"]);
    assert!(table.lines().nth(1).is_some_and(|line| line.starts_with("host ")), "{table}");
    assert_eq!(home.ok(&["image", "ls", "-q"]), "", "what a script would remove");
    let shown: Value = serde_json::from_str(&home.ok(&["image", "inspect", "host"])).unwrap();
    assert!(shown[0]["Id"].as_str().unwrap().starts_with("host-"));
    assert_eq!(home.ok(&["inspect", "-f", "{{index .RepoTags 0}} {{.Os}}", "host"]), "host linux");
}

/// Docker's column and filters of ports; nothing of a container without any.
#[test]
fn ps_shows_ports_and_knows_dockers_filters() {
    let Some(home) = home("ps_shows_ports_and_knows_dockers_filters") else { return };
    home.ok(&["create", "--name", "web", "--expose", "80", "host", "true"]);
    assert!(home.ok(&["ps", "-a"]).lines().next().unwrap().contains("PORTS"));
    let names = |filter: &str| home.ok(&["ps", "-a", "--filter", filter, "--format", "{{.Names}}{{.Ports}}"]);
    for (filter, expected) in [
        ("expose=80/tcp", "web80/tcp"),
        ("expose=79-81", "web80/tcp"),
        ("publish=80", ""),
        ("health=none", "web80/tcp"),
        ("health=healthy", ""),
        ("is-task=false", "web80/tcp"),
        ("is-task=true", ""),
    ] {
        assert_eq!(names(filter), expected, "{filter}");
    }
    for bad in ["expose=x", "health=well", "is-task=maybe", "publsh=80"] {
        assert_eq!(home.run(&["ps", "--filter", bad]).code, 1, "{bad}");
    }
}
