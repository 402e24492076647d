//! Processes that `exec` adds have at most what their container has.

use cofferdam_policy::{EnvEntry, ExecOptions, plan_exec};

use crate::fixture::{planned, request, zone};

#[test]
fn cve_2026_30892_another_user_starts_without_roots_capabilities() {
    let plan = planned(&zone("default"), &request());
    let command = ["id".to_owned()];
    let options = ExecOptions {
        command: &command,
        env: &[EnvEntry::Set { name: "A".to_owned(), value: "1".to_owned() }],
        user: Some("web"),
        workdir: None,
        privileged: false,
        tty: true,
        window: None,
        passwd: "web:x:33:34::/w:\n",
        group: "",
        maps: plan.namespaces.id_maps.as_ref().unwrap(),
    };
    let process = plan_exec(&plan, &options).unwrap();
    assert_eq!((process.user.uid, process.user.gid), (33, 34));
    assert!(process.user.additional_gids.is_empty());
    assert!(process.capabilities.effective.is_empty() && process.capabilities.permitted.is_empty());
    assert_eq!(process.capabilities.bounding, plan.process.capabilities.bounding);
    for entry in ["HOME=/w", "TERM=xterm", "A=1"] {
        assert!(process.env.iter().any(|line| line == entry), "{entry}: {:?}", process.env);
    }
    assert_eq!(process.seccomp, plan.process.seccomp);
    assert_eq!(process.rlimits, plan.process.rlimits);
    assert!(process.no_new_privileges);

    let own = plan_exec(&plan, &ExecOptions { user: None, ..options }).unwrap();
    assert_eq!(own.capabilities, plan.process.capabilities);
    assert!(plan_exec(&plan, &ExecOptions { privileged: true, ..options }).is_err());
    assert!(plan_exec(&plan, &ExecOptions { command: &[], ..options }).is_err());
    assert!(plan_exec(&plan, &ExecOptions { user: Some("70000"), ..options }).is_err());
}
