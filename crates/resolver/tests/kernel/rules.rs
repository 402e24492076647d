//! What is answered, and what is opened for it.

use std::time::Duration;

use cofferdam_resolver::allow::NameRule;
use cofferdam_resolver::keeper::ZonePolicy;
use cofferdam_resolver::settings::Forwarding;
use cofferdam_resolver::wire::Rcode;

use crate::bench::{Ground, addresses, ask, eventually, member, serve, try_ask};

pub fn it_answers_names_of_its_zone_and_of_those_it_reaches() {
    let ground = Ground::new(&[]);
    let web = member("blue", "web", 2, Forwarding::All, &["green"]);
    let other = member("blue", "other", 3, Forwarding::All, &["green"]);
    let db = member("green", "db", 4, Forwarding::Nothing, &[]);
    let _web = ground.join(&web).unwrap();
    let joined = ground.join(&other).unwrap();
    let _db = ground.join(&db).unwrap();
    assert_eq!(addresses(&ask(&web, "other")), ["10.9.0.3"]);
    assert_eq!(addresses(&ask(&other, "web.blue")), ["10.9.0.2"]);
    assert_eq!(addresses(&ask(&web, "db.green")), ["10.9.0.4"]);
    assert_eq!(ask(&web, "db").rcode, Rcode::NxDomain);
    assert_eq!(ask(&db, "web.blue").rcode, Rcode::NxDomain, "green does not reach blue");
    assert_ne!(ground.pid("blue"), ground.pid("green"));
    drop(joined);
    eventually("its name has gone with it", || ask(&web, "other").rcode == Rcode::NxDomain);
    assert!(try_ask(&other, "web", Duration::from_millis(100)).is_none(), "nobody listens there any more");
}

pub fn an_address_is_open_before_it_is_told() {
    let ground = Ground::new(&["127.0.9.1"]);
    serve("127.0.9.1", "8.8.8.8");
    let rule = NameRule { pattern: "*.example.org".parse().unwrap(), rule: 3 };
    let mut web = member("blue", "web", 5, Forwarding::Names(vec![rule]), &[]);
    // By its source a denied question is told to be this container's.
    web.container.addresses.push([127, 0, 0, 1].into());
    let _joined = ground.join(&web).unwrap();
    for n in 0..20 {
        let name = format!("n{n}.example.org");
        assert_eq!(addresses(&ask(&web, &name)), ["8.8.8.8"]);
        let opened =
            ground.log().iter().filter(|line| *line == "blue *.example.org 8.8.8.8 Some(300)").count();
        assert_eq!(opened, n + 1);
    }
    assert_eq!(ask(&web, "data.evil.test").rcode, Rcode::NxDomain);
    eventually("the denial is written", || {
        ground.log().iter().any(|line| line.starts_with("denied blue 5000 data.evil.test"))
    });
}

/// The zone is changed while a container that was planned before it is about to join, or tells another name.
pub fn an_older_joiner_does_not_take_a_change_back() {
    let ground = Ground::new(&["127.0.9.12"]);
    serve("127.0.9.12", "8.8.8.12");
    let [web, old] =
        [("web", 21), ("old", 22)].map(|(name, last)| member("blue", name, last, Forwarding::All, &[]));
    let _web = ground.join(&web).unwrap();
    assert_eq!(addresses(&ask(&web, "a.example")), ["8.8.8.12"]);
    let now = ZonePolicy { forwarding: Forwarding::Nothing, ..web.policy.clone() };
    std::fs::write(ground.folder.path().join("run/blue.policy"), serde_json::to_vec(&now).unwrap()).unwrap();
    let _old = ground.join(&old).unwrap();
    assert_eq!(ask(&web, "a.example").rcode, Rcode::NxDomain);
    assert_eq!(ask(&old, "b.example").rcode, Rcode::NxDomain);
    cofferdam_resolver::keeper::change(&ground.socket(), &old).unwrap();
    assert_eq!(ask(&old, "c.example").rcode, Rcode::NxDomain);
    assert_eq!(addresses(&ask(&web, "old")), ["10.9.0.22"], "and all else goes on");
}

pub fn other_servers_are_asked_when_the_file_changes() {
    let ground = Ground::new(&["127.0.9.2"]);
    serve("127.0.9.2", "8.8.8.2");
    serve("127.0.9.3", "8.8.8.3");
    serve("127.0.9.4", "8.8.4.4");
    let web = member("blue", "web", 6, Forwarding::All, &[]);
    let _joined = ground.join(&web).unwrap();
    assert_eq!(addresses(&ask(&web, "a.example")), ["8.8.8.2"]);
    ground.set_servers(&["127.0.9.3", "127.0.6.53"]);
    // The first question after the change may still go to the old one.
    ask(&web, "b.example");
    eventually("the new one is asked", || addresses(&ask(&web, "a.example")) == ["8.8.8.3"]);
    // One that leads to the host itself is answered without its address.
    ground.set_servers(&["127.0.9.4"]);
    ask(&web, "c.example");
    eventually("the host's address is taken out", || ask(&web, "a.example").answers.is_empty());
}
