//! Ends, by design and by force.

use std::path::Path;
use std::time::{Duration, Instant};

use cofferdam_resolver::settings::Forwarding;
use rustix::process::{Pid, Signal, kill_process};

use crate::bench::{Ground, addresses, ask, eventually, groups, member, try_ask};

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

pub fn a_killed_resolver_comes_back() {
    let ground = Ground::new(&[]);
    let web = member("blue", "web", 7, Forwarding::All, &[]);
    let other = member("green", "other", 8, Forwarding::All, &[]);
    let (_web, _other) = (ground.join(&web).unwrap(), ground.join(&other).unwrap());
    assert_eq!((ground.pid("blue"), ground.pid("green")), (None, None), "nobody has asked");
    ask(&web, "web");
    ask(&other, "other");
    let untouched = ground.pid("green");
    assert!(untouched.is_some());
    for _ in 0..3 {
        let pid = ground.pid("blue").unwrap();
        kill(pid);
        // What is asked meanwhile waits in the socket, which its keeper holds.
        let reply = try_ask(&web, "web", Duration::from_secs(5)).unwrap();
        assert_eq!(addresses(&reply), ["10.9.0.7"]);
        assert_ne!(ground.pid("blue"), Some(pid));
    }
    assert_eq!(ground.pid("green"), untouched);
    assert_eq!(ground.log().iter().filter(|line| line.starts_with("ended blue")).count(), 3);
}

pub fn a_killed_keeper_is_replaced() {
    let ground = Ground::new(&[]);
    let web = member("blue", "web", 9, Forwarding::All, &[]);
    let joined = ground.join(&web).unwrap();
    ask(&web, "web");
    let old = ground.pid("blue").unwrap();
    ground.kill_keepers();
    // Its shim sees the end of the connection.
    assert_eq!(rustix::io::read(&joined, &mut [0; 8]), Ok(0));
    eventually("the resolver has ended with its keeper", || !Path::new(&format!("/proc/{old}")).exists());
    let joined = ground.join(&web).unwrap();
    assert_eq!(addresses(&ask(&web, "web")), ["10.9.0.9"]);
    // What a killed keeper leaves goes with the next one, though no container of that zone comes again.
    let groups = groups(ground.pid("blue").unwrap());
    assert!(!groups.is_empty());
    ground.kill_keepers();
    drop(joined);
    let other = member("green", "other", 11, Forwarding::All, &[]);
    let _other = ground.join(&other).unwrap();
    assert!(groups.iter().all(|folder| !folder.exists()), "{groups:?}");
}

pub fn the_last_container_takes_all_with_it() {
    let ground = Ground::new(&[]);
    let web = member("blue", "web", 10, Forwarding::All, &[]);
    let first = ground.join(&web).unwrap();
    ask(&web, "web");
    let pid = ground.pid("blue").unwrap();
    let groups = groups(pid);
    assert!(!groups.is_empty());
    drop(first);
    eventually("the resolver has ended", || !Path::new(&format!("/proc/{pid}")).exists());
    // The next one within the time that the keeper waits has no need for another.
    let second = ground.join(&web).unwrap();
    assert_eq!(addresses(&ask(&web, "web")), ["10.9.0.10"]);
    drop(second);
    eventually("the keeper has ended", || ground.keepers_have_ended());
    assert_eq!(ground.pid("blue"), None);
    assert!(groups.iter().all(|folder| !folder.exists()), "{groups:?}");
    let left = std::fs::read_dir(ground.place().folder).unwrap().map(|it| it.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().ends_with(".json")).collect();
    assert!(left.is_empty(), "{left:?}");
}

pub fn many_containers_join_at_once() {
    let ground = Ground::new(&[]);
    let members: Vec<_> = (20..60)
        .map(|last| {
            member(["blue", "green"][usize::from(last % 2)], &format!("c{last}"), last, Forwarding::All, &[])
        })
        .collect();
    let start = Instant::now();
    let joined: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            members.iter().map(|member| scope.spawn(|| ground.join(member).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    println!("{} containers joined in {:?}", joined.len(), start.elapsed());
    for member in &members {
        assert_eq!(addresses(&ask(member, &member.container.names[0])).len(), 1);
    }
    assert_eq!(addresses(&ask(&members[0], "c58")), ["10.9.0.58"]);
    assert_eq!(ask(&members[0], "c59").answers.len(), 0);
}
