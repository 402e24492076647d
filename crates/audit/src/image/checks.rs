//! The checks on an image.

use cofferdam_names::Timestamp;

use super::facts::ImageFacts;
use crate::control::{Control, Dimension, Evidence, Gain, Judgement, Severity, Verdict};
use crate::fact::Unknown;
use crate::host::PasswordKind;
use crate::line::{Line, lines};
use crate::secret::{is_secret_name, is_secret_value};
use crate::survey::Found;
use crate::{lifetime, survey};

/// All checks on an image.
#[must_use]
pub fn controls() -> Vec<Control<ImageFacts>> {
    let control = |line: Line<Judge>| Control::new(line.about("image", Dimension::Processes), line.judge);
    lines().into_iter().map(control).collect()
}

/// A verdict on what the walk found: a pass only where it saw everything.
fn none_found(image: &ImageFacts, found: &[Found], otherwise: &str) -> Judgement {
    survey::none_found(&image.survey, found, otherwise)
}

fn user(image: &ImageFacts) -> Judgement {
    let config = image.config.get()?;
    let name = config.user.split(':').next().unwrap_or_default();
    let users = image.accounts.users.known();
    let number = users.and_then(|users| users.iter().find(|user| user.name == name)).map(|user| user.uid);
    let is_root = matches!(name, "" | "root" | "0") || number == Some(0);
    let seen = if name.is_empty() { "it names none".to_owned() } else { format!("it names {name}") };
    Ok(if is_root { Verdict::fail(seen) } else { Verdict::pass(seen) })
}

fn health(image: &ImageFacts) -> Judgement {
    let config = image.config.get()?;
    let test = config
        .healthcheck
        .as_ref()
        .map(|check| check.test.join(" "))
        .filter(|test| !matches!(test.as_str(), "" | "NONE"));
    Ok(match test {
        Some(test) => Verdict::pass(test),
        None => Verdict::fail("it names no check"),
    })
}

fn environment(image: &ImageFacts) -> Judgement {
    let found = image.config.get()?.env.iter().filter_map(|entry| {
        let (name, value) = entry.split_once('=')?;
        // The value stays where it is: a report is read by more people than an image.
        let secret = !value.is_empty() && (is_secret_name(name) || is_secret_value(value));
        secret.then(|| Evidence::new(format!("the variable {name} has a value")))
    });
    Ok(Verdict::none_of(found, "no variable looks like one"))
}

fn history(image: &ImageFacts) -> Judgement {
    let found = image.config.get()?.history.iter().enumerate().filter_map(|(index, step)| {
        let words = step.created_by.split_whitespace();
        let named = words.filter_map(|word| word.split_once('=')).any(|(name, value)| {
            !value.is_empty() && !value.starts_with('$') && is_secret_name(name.trim_start_matches('-'))
        });
        let secret = named || is_secret_value(&step.created_by);
        secret.then(|| Evidence::new(format!("step {} of its making has a secret in its words", index + 1)))
    });
    Ok(Verdict::none_of(found, "no step's words look like one"))
}

fn age(image: &ImageFacts) -> Judgement {
    const MOST_DAYS: i64 = 180;
    let created = || Some(image.config.known()?.created?.unix_seconds());
    let (when, what) = match image.newest_package.get()? {
        Some(when) => (*when, "the newest package is"),
        None => match created() {
            Some(when) if when > 0 => (when, "it has no packages, and was made"),
            _ => return Err(Unknown("neither packages nor a date of its making are in it".to_owned())),
        },
    };
    let days = (image.now - when) / 86_400;
    let seen = format!("{what} {days} days old");
    Ok(if days > MOST_DAYS { Verdict::fail(seen) } else { Verdict::pass(seen) })
}

fn lifetime(image: &ImageFacts) -> Judgement {
    let fields = match image.distribution.get() {
        Ok(fields) => fields,
        Err(_) => return Ok(Verdict::not_applicable("it has no distribution")),
    };
    let name = fields.get("PRETTY_NAME").or_else(|| fields.get("ID")).cloned().unwrap_or_default();
    let Some(day) = lifetime::ends(fields) else {
        return Err(Unknown(format!("until when {name} gets fixes is not known here")));
    };
    let today = Timestamp::from_unix(image.now, 0).to_string();
    let seen = format!("{name} gets fixes until {day}");
    Ok(if today.get(..10).is_some_and(|today| today > day) {
        Verdict::fail(seen)
    } else {
        Verdict::pass(seen)
    })
}

fn passwords(image: &ImageFacts) -> Judgement {
    let found =
        image.accounts.passwords.get()?.iter().filter(|password| password.kind != PasswordKind::Locked);
    let seen = found.map(|password| {
        let what = if password.kind == PasswordKind::Empty { "no password" } else { "a password" };
        Evidence::at(format!("{} has {what}", password.name), "/etc/shadow", None)
    });
    Ok(Verdict::none_of(seen, "no account has one"))
}

fn roots(image: &ImageFacts) -> Judgement {
    let found = image.accounts.users.get()?.iter().filter(|user| user.uid == 0 && user.name != "root");
    let seen = found.map(|user| Evidence::at(format!("{} is user 0", user.name), "/etc/passwd", None));
    Ok(Verdict::none_of(seen, "root alone is"))
}

fn lacks_programs(image: &ImageFacts, wanted: &[&str]) -> Judgement {
    let found = image.programs.get()?.iter().filter(|path| wanted.iter().any(|end| path.ends_with(end)));
    Ok(Verdict::none_of(
        found.map(|path| Evidence::at(format!("{path} is there"), *path, None)),
        "it has none",
    ))
}

fn ports(image: &ImageFacts) -> Judgement {
    const ADMINISTRATION: [&str; 8] = ["22", "23", "111", "513", "514", "2375", "2376", "5900"];
    let found = image
        .config
        .get()?
        .exposed_ports
        .iter()
        .filter(|port| ADMINISTRATION.contains(&port.split('/').next().unwrap_or(port.as_str())));
    Ok(Verdict::none_of(
        found.map(|port| Evidence::new(format!("it exposes {port}"))),
        "it exposes none of these",
    ))
}

fn volumes(image: &ImageFacts) -> Judgement {
    const SENSITIVE: [&str; 9] = ["/", "/etc", "/proc", "/sys", "/dev", "/boot", "/usr", "/run", "/var/run"];
    let found = image.config.get()?.volumes.iter().filter(|volume| {
        let path = volume.trim_end_matches('/');
        SENSITIVE.contains(&if path.is_empty() { "/" } else { path }) || path.ends_with("docker.sock")
    });
    Ok(Verdict::none_of(found.map(|volume| Evidence::new(format!("it declares {volume}"))), "none is"))
}

fn lists(image: &ImageFacts) -> Judgement {
    Ok(match image.package_lists.get()? {
        0 => Verdict::pass("none were left"),
        count => Verdict::fail(format!("{count} were left")),
    })
}

fn digests(image: &ImageFacts) -> Judgement {
    let found = image.mismatches.get()?.iter().map(|mismatch| Evidence::new(mismatch.as_str()));
    Ok(Verdict::none_of(found, "every blob is"))
}

fn triggers(image: &ImageFacts) -> Judgement {
    let found = image.config.get()?.on_build.iter().map(|trigger| Evidence::new(trigger.as_str()));
    Ok(Verdict::none_of(found, "it has none"))
}

/// What judges an image.
type Judge = fn(&ImageFacts) -> Judgement;

fn lines() -> Vec<Line<Judge>> {
    lines! { Judge;
        Line { id: "image.user", title: "The image names a user that is not root", why: "What runs as root in a container is root for every hole in its walls.", remedy: "add `USER app` to the Dockerfile, after a step that makes the account", severity: Severity::High, gain: Gain::HostRoot, references: [(CisDocker, "4.1"), (Nist800190, "4.1.2")], judge: user, weak: "config {\"User\":\"toor\"}\n/etc/passwd 644 toor:x:0:0::/root:/bin/sh", strong: "config {\"User\":\"1000:1000\"}" },
        Line { id: "image.secrets", title: "No file of the image is a secret", why: "Whoever can pull the image has its keys and tokens, and so the servers that they open.", remedy: "give secrets when the container runs (`--secret`, a mounted file), and change the ones that were shipped", severity: Severity::Critical, gain: Gain::Foothold, references: [(CisDocker, "4.10"), (Nist800190, "4.1.4")], judge: |image| none_found(image, &image.survey.secrets, "none looks like one"), weak: "/app/id_rsa 600 -----BEGIN RSA PRIVATE KEY-----", strong: "/app/id_rsa.pub 644 ssh-rsa AAAA" },
        Line { id: "image.secrets_buried", title: "No secret was removed in a later layer only", why: "A layer that removes a file only hides it: the file is still in what is shipped.", remedy: "build without the secret (`RUN --mount=type=secret`), and change the one that was shipped", severity: Severity::Critical, gain: Gain::Foothold, references: [(CisDocker, "4.10"), (Nist800190, "4.1.4")], judge: |image| none_found(image, &image.buried, "none was"), weak: "/root/.aws/credentials 600 aws_secret_access_key=x\nlayer\n/root/.aws/.wh.credentials 644 ", strong: "/root/.aws/config 600 region=x\nlayer\n/root/.aws/.wh.config 644 " },
        Line { id: "image.secrets_environment", title: "No variable of the image is a secret", why: "Variables are shown by inspect, and given to every process in the container.", remedy: "give secrets as files when the container runs", severity: Severity::High, gain: Gain::Foothold, references: [(CisDocker, "4.10"), (Nist800190, "4.1.4")], judge: environment, weak: "config {\"Env\":[\"DB_PASSWORD=x\"]}", strong: "config {\"Env\":[\"PATH=/bin\",\"DB_PASSWORD_FILE=/run/secrets/x\"]}" },
        Line { id: "image.secrets_history", title: "No step of the image's making has a secret in its words", why: "The history with all arguments of the build is shipped with the image.", remedy: "give secrets to builds with `RUN --mount=type=secret`, not as ARG or in a command", severity: Severity::High, gain: Gain::Foothold, references: [(CisDocker, "4.10"), (Nist800190, "4.1.4")], judge: history, weak: "history RUN |1 API_TOKEN=abc /bin/sh -c make", strong: "history RUN |1 VERSION=1 /bin/sh -c API_TOKEN=$API_TOKEN make" },
        Line { id: "image.set_id", title: "No program of the image is set-id", why: "A set-id program makes root out of a user inside the container.", remedy: "remove the bits in the Dockerfile: `RUN find / -xdev -perm /6000 -type f -exec chmod a-s {} +`", severity: Severity::Medium, gain: Gain::Foothold, references: [(CisDocker, "4.8"), (CisDocker, "C.4.8")], judge: |image| none_found(image, &image.survey.set_id, "none is"), weak: "/bin/su 4755 x", strong: "/bin/su 755 x" },
        Line { id: "image.capabilities", title: "No program of the image has capabilities by itself", why: "It hands rights to a user inside the container that the container's own user was not given.", remedy: "remove them with `setcap -r`, and give the container the capability that it needs", severity: Severity::Medium, gain: Gain::Foothold, references: [(CisDocker, "4.8")], judge: |image| none_found(image, &image.survey.capable, "none has"), weak: "/bin/ping cap x", strong: "/bin/ping 755 x" },
        Line { id: "image.open_files", title: "Nothing in the image is writable for everybody", why: "What any process in the container may rewrite is run or read by the next one with more rights.", remedy: "chmod o-w, and the sticky bit (`chmod 1777`) on shared folders", severity: Severity::Medium, gain: Gain::Foothold, references: [], judge: |image| none_found(image, &image.survey.open, "nothing is"), weak: "/app/run.sh 777 x", strong: "/app/run.sh 755 x" },
        Line { id: "image.devices", title: "The image has no device nodes", why: "A device node in an image opens the host's device where the engine does not forbid it.", remedy: "remove the nodes; engines make those that a container needs", severity: Severity::Medium, gain: Gain::HostRoot, references: [], judge: |image| none_found(image, &image.survey.devices, "it has none"), weak: "/opt/disk dev x", strong: "/opt/disk 644 x" },
        Line { id: "image.outside", title: "No file of the image lies outside of its root", why: "An entry with `..` in its path is an attempt to write to the host when the image is unpacked.", remedy: "do not use this image", severity: Severity::Critical, gain: Gain::HostRoot, references: [], judge: |image| Ok(match image.outside { 0 => Verdict::pass("none does"), count => Verdict::fail(format!("{count} entries lead out of it")) }), weak: "/../../etc/cron.d/x 644 x", strong: "/etc/cron.d/x 644 x" },
        Line { id: "image.digests", title: "Every part of the image is what it is called by", why: "A part that is not what its digest says was changed after the image was made.", remedy: "fetch the image again from where it was made, by digest", severity: Severity::Critical, gain: Gain::Foothold, references: [(CisDocker, "4.5"), (Nist800190, "4.1.5")], judge: digests, weak: "config {}\ntampered", strong: "config {}" },
        Line { id: "image.age", title: "The image's packages are at most half a year old", why: "Every hole found since then is open in it, and described for whoever looks.", remedy: "build the image anew from an updated base, each week by itself", severity: Severity::Medium, gain: Gain::Foothold, references: [(CisDocker, "4.4"), (Nist800190, "4.1.1")], judge: age, weak: "/var/lib/dpkg/info/x.list old x", strong: "/var/lib/dpkg/info/x.list 644 x" },
        Line { id: "image.maintained", title: "The image's distribution still gets security fixes", why: "What nobody mends any more only gets worse.", remedy: "build on a version that is still maintained", severity: Severity::High, gain: Gain::Foothold, references: [(CisDocker, "4.4"), (Nist800190, "4.1.1")], judge: lifetime, weak: "/etc/os-release 644 ID=debian\\nVERSION_ID=8", strong: "/etc/os-release 644 ID=debian\\nVERSION_ID=\"13\"" },
        Line { id: "image.health_check", title: "The image says how its health is checked", why: "A container that was taken over or hangs is noticed only if somebody asks it.", remedy: "add HEALTHCHECK to the Dockerfile", severity: Severity::Low, gain: Gain::Denial, references: [(CisDocker, "4.6")], judge: health, weak: "config {\"Healthcheck\":{\"Test\":[\"NONE\"]}}", strong: "config {\"Healthcheck\":{\"Test\":[\"CMD\",\"/ok\"]}}" },
        Line { id: "image.passwords", title: "No account of the image has a password", why: "A password in an image is the same in every copy, and an empty one opens su.", remedy: "lock the accounts: `RUN passwd -l root`", severity: Severity::High, gain: Gain::Foothold, references: [(Nist800190, "4.1.4")], judge: passwords, weak: "/etc/shadow 640 root::19000:0:99999:7:::", strong: "/etc/shadow 640 root:*:19000:0:99999:7:::" },
        Line { id: "image.one_root", title: "Only root is user 0 in the image", why: "A second name for root is how a back door looks.", remedy: "remove the account", severity: Severity::High, gain: Gain::Foothold, references: [], judge: roots, weak: "/etc/passwd 644 root:x:0:0::/:/bin/sh\\ntoor:x:0:0::/:/bin/sh", strong: "/etc/passwd 644 root:x:0:0::/:/bin/sh" },
        Line { id: "image.login_server", title: "The image has no server to log in at", why: "A second way in, with keys and accounts of its own, that no zone knows of.", remedy: "remove it; use `cofferdam exec`", severity: Severity::Medium, gain: Gain::Foothold, references: [(CisDocker, "5.7"), (Nist800190, "4.1.2")], judge: |image| lacks_programs(image, &["sshd", "telnetd"]), weak: "/usr/sbin/sshd 755 x", strong: "/usr/bin/ssh 755 x" },
        Line { id: "image.becomes_root", title: "The image has neither sudo nor doas", why: "Their only use is to become root, which the container's user should not.", remedy: "remove the package, and do as root only while the image is built", severity: Severity::Medium, gain: Gain::Foothold, references: [], judge: |image| lacks_programs(image, &["sudo", "doas"]), weak: "/usr/bin/sudo 755 x", strong: "/usr/bin/su 755 x" },
        Line { id: "image.engine", title: "The image has no container engine", why: "An engine in a container asks for the rights that no container should have.", remedy: "build images with a rootless builder", severity: Severity::Medium, gain: Gain::HostRoot, references: [], judge: |image| lacks_programs(image, &["dockerd"]), weak: "/usr/bin/dockerd 755 x", strong: "/usr/bin/app 755 x" },
        Line { id: "image.package_manager", title: "The image has no package manager", why: "It fetches tools for whoever gets into the container, and shows that more was shipped than the service.", remedy: "copy the service into a base without one (scratch, distroless) in a last stage", severity: Severity::Low, gain: Gain::Foothold, references: [(CisDocker, "4.3")], judge: |image| lacks_programs(image, &["apt-get", "apk", "dnf", "yum", "zypper"]), weak: "/usr/bin/apt-get 755 x", strong: "/usr/bin/app 755 x" },
        Line { id: "image.package_lists", title: "No lists of packages were left in the image", why: "They show that a step of the build updated and installed apart, and what was known of holes that day.", remedy: "remove /var/lib/apt/lists/* in the step that installs, or use `apk add --no-cache`", severity: Severity::Low, gain: Gain::Hygiene, references: [(CisDocker, "4.7")], judge: lists, weak: "/var/lib/apt/lists/deb_Packages 644 x", strong: "/var/lib/apt/lists/lock 644 x" },
        Line { id: "image.ports", title: "The image exposes no port of administration", why: "SSH, telnet, remote shells and the engine's own interface belong to the host's keeper, not to a container.", remedy: "remove the EXPOSE", severity: Severity::Medium, gain: Gain::Foothold, references: [(CisDocker, "5.7")], judge: ports, weak: "config {\"ExposedPorts\":{\"22/tcp\":{}}}", strong: "config {\"ExposedPorts\":{\"8080/tcp\":{}}}" },
        Line { id: "image.volumes", title: "The image declares no volume over a folder of the system", why: "What is mounted there outlives the container, and takes the place of what the image was checked with.", remedy: "declare a volume for data only", severity: Severity::Medium, gain: Gain::Foothold, references: [], judge: volumes, weak: "config {\"Volumes\":{\"/etc/\":{}}}", strong: "config {\"Volumes\":{\"/data\":{}}}" },
        Line { id: "image.triggers", title: "The image runs nothing in the builds of others", why: "ONBUILD runs its words in every image that is built from it.", remedy: "remove ONBUILD, and write the steps where they are used", severity: Severity::Low, gain: Gain::Foothold, references: [], judge: triggers, weak: "config {\"OnBuild\":[\"RUN x\"]}", strong: "config {}" },
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
