//! `[images]`: where an image is from, by what it is asked for, and who signed it.

use cofferdam_confinement::{Flag, MountFlags, MountKind};
use cofferdam_policy::{
    Admitted, CertifiedSigner, ContainerRequest, HOST_IMAGE, ImageOrigin, PlanContext, VolumeRequest, Zone,
    plan,
};

use crate::fixture::{context_on, host, zone_file};

fn rules(text: &str) -> Zone {
    zone_file(&format!("zone = \"web\"\n[images]\n{text}\n"))
}

/// The refusal of an image, if there is one.
fn refusal(zone: &Zone, image: &str, origin: ImageOrigin) -> Option<String> {
    let request = ContainerRequest::new(image);
    let context = PlanContext { origin, ..context_on(host(), &request) };
    plan(zone, &request, &context).err().map(|error| error.to_string())
}

fn named(names: &[&str]) -> ImageOrigin {
    ImageOrigin { names: names.iter().map(|name| name.parse().unwrap()).collect(), ..ImageOrigin::default() }
}

fn is_allowed(zone: &Zone, image: &str) -> bool {
    refusal(zone, image, named(&[image])).is_none()
}

#[test]
fn a_pattern_means_a_name_in_any_of_its_forms() {
    for (pattern, good, bad) in [
        (
            "busybox",
            vec!["busybox", "busybox:1", "docker.io/library/busybox", "index.docker.io/busybox"],
            vec!["busyboxes", "evil.example/busybox", "team/busybox"],
        ),
        ("busybox:1", vec!["busybox:1", "docker.io/library/busybox:1"], vec!["busybox", "busybox:11"]),
        (
            "registry.example/*",
            vec!["registry.example/a", "registry.example/a/b:c"],
            vec!["registry.example.evil/a", "a", "registry.example:5000/a"],
        ),
        ("docker.io/library/*", vec!["debian"], vec!["user/app"]),
        ("team/*", vec!["team/app", "docker.io/team/app"], vec!["other.example/team/app"]),
    ] {
        let zone = rules(&format!("allowed = [\"{pattern}\"]"));
        for image in good {
            assert!(is_allowed(&zone, image), "{pattern} {image}");
        }
        for image in bad {
            assert!(!is_allowed(&zone, image), "{pattern} {image}");
        }
        assert!(!is_allowed(&zone, HOST_IMAGE));
    }
    assert!(refusal(&rules("allowed = [\"host\"]"), HOST_IMAGE, ImageOrigin::default()).is_none());
}

#[test]
fn a_name_that_was_given_here_does_not_hide_where_an_image_is_from() {
    let zone = rules("allowed = [\"registry.example/*\"]");
    let pulled =
        |from: &[&str]| ImageOrigin { pulled: named(from).names, ..named(&["registry.example/app"]) };
    assert_eq!(
        refusal(&zone, "registry.example/app", pulled(&["evil.example/app"])).unwrap(),
        "image registry.example/app, which was pulled as evil.example/app:latest: zone `web`, /zones/test.toml:3: \
         images.allowed is registry.example/*; leave it out, or run in a zone that allows it (--zone)"
    );
    assert!(refusal(&zone, "registry.example/app", pulled(&["registry.example/app"])).is_none());
    assert!(
        refusal(&zone, "registry.example/app", pulled(&["evil.example/a", "registry.example/b"])).is_none()
    );
    // By its id: the names count.
    let id = "0a".repeat(32);
    assert!(refusal(&zone, &id, named(&["registry.example/app"])).is_none());
    assert!(refusal(&zone, &id, named(&["other"])).is_some());
    assert!(refusal(&zone, &id, named(&[])).is_some());
    assert!(refusal(&rules("allowed = [\"*\"]"), &id, named(&[])).is_none());
}

#[test]
fn a_digest_can_be_required() {
    let zone = rules("require_digest = true");
    let digest = format!("sha256:{}", "0a".repeat(32));
    for good in
        [&digest, &"0a".repeat(32), &format!("app@{digest}"), &format!("registry.example/app:1@{digest}")]
    {
        assert_eq!(refusal(&zone, good, named(&["app"])), None, "{good}");
    }
    for bad in ["app", "app:1", "0a0a0a", HOST_IMAGE] {
        let text = refusal(&zone, bad, named(&["app"])).unwrap();
        assert!(text.contains("zone `web`, /zones/test.toml:3: images.require_digest is true"), "{text}");
    }
}

#[test]
fn a_signature_can_be_required() {
    let zone = rules("signed_by = [\"release\", \"ci\"]");
    let signed = |keys: &[&str]| ImageOrigin {
        signed_by: keys.iter().map(|key| key.parse().unwrap()).collect(),
        ..named(&["app"])
    };
    assert_eq!(refusal(&zone, "app", signed(&["ci"])), None);
    assert_eq!(refusal(&zone, "app", signed(&["other", "release"])), None);
    for (image, keys) in [("app", &[][..]), ("app", &["other"][..]), (HOST_IMAGE, &["ci"][..])] {
        let text = refusal(&zone, image, signed(keys)).unwrap();
        assert!(
            text.contains("without a signature by one of these keys: zone `web`, /zones/test.toml:3: images.signed_by is release, ci"),
            "{text}"
        );
    }
}

#[test]
fn a_signature_with_a_certificate_can_be_required() {
    let issuer = "https://accounts.example.org";
    let zone = rules(&format!("keyless = [\"https://git.example/team/*@refs/tags/* by {issuer}\"]"));
    let signed = |subject: &str, issuer: &str| ImageOrigin {
        certified: [CertifiedSigner { subject: subject.to_owned(), issuer: issuer.to_owned() }].into(),
        ..named(&["app"])
    };
    let good = "https://git.example/team/app/release.yml@refs/tags/v1";
    assert_eq!(refusal(&zone, "app", signed(good, issuer)), None);
    for (image, origin) in [
        ("app", named(&["app"])),
        ("app", signed("https://git.example/evil/app/release.yml@refs/tags/v1", issuer)),
        ("app", signed(good, "https://evil.example")),
        (HOST_IMAGE, signed(good, issuer)),
    ] {
        let text = refusal(&zone, image, origin).unwrap();
        let said = format!(
            "image {image} without a signature by one of these signers: zone `web`, /zones/test.toml:3: images.keyless is https://git"
        );
        assert!(text.contains(&said), "{text}");
    }
    // Beside keys, either will do.
    let both = rules(&format!("signed_by = [\"ci\"]\nkeyless = [\"me@example.org by {issuer}\"]"));
    assert_eq!(refusal(&both, "app", signed("me@example.org", issuer)), None);
    let by_key = ImageOrigin { signed_by: ["ci".parse().unwrap()].into(), ..named(&["app"]) };
    assert_eq!(refusal(&both, "app", by_key), None);
    let text = refusal(&both, "app", named(&["app"])).unwrap();
    assert!(text.contains("images.signed_by is ci, images.keyless is me@example.org by"), "{text}");
}

#[test]
fn an_image_that_is_mounted_is_judged_as_one_that_runs() {
    let zone = rules("allowed = [\"app\", \"tools/*\"]");
    let mounting = |mount: &str| {
        let volumes = vec![VolumeRequest::parse_mount(mount).unwrap()];
        let request = ContainerRequest { volumes, ..ContainerRequest::new("app") };
        let context = PlanContext { origin: named(&["app"]), ..context_on(host(), &request) };
        plan(&zone, &request, &context).map(Admitted::into_plan).map_err(|error| error.to_string())
    };
    let plan = mounting("type=image,source=tools/a,target=/tools,image-subpath=bin").unwrap();
    let mount = plan.mounts.iter().find(|mount| mount.target.as_str() == "/tools").unwrap();
    let subpath = Some(std::path::PathBuf::from("bin"));
    assert!(matches!(&mount.kind, MountKind::Image { subpath: own, id_mapped: true, .. } if *own == subpath));
    let MountFlags { readonly, nosuid, nodev, .. } = mount.flags;
    assert_eq!([readonly, nosuid, nodev], [Flag::Set; 3]);
    for (mount, why) in [
        ("type=image,source=evil/a,target=/tools", "images.allowed is app, tools/*"),
        ("type=image,source=host,target=/tools", "the host's own programs"),
        ("type=image,source=tools/a,target=/proc", "is not mounted over"),
        ("type=image,source=tools/a,target=/t,image-subpath=../x", "image-subpath is a relative path"),
        ("type=image,source=tools/a,target=/t,image-subpath=/x", "image-subpath is a relative path"),
    ] {
        let told = mounting(mount).unwrap_err();
        assert!(told.contains(why), "{mount}: {told}");
    }
}
