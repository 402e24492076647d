//! The host's side that all links share: the pool that addresses are from, the gateways' addresses, and that the host passes
//! packets on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use cofferdam_confinement::network::AddressRange;
use cofferdam_kernel::rtnetlink::{Change, LinkAddress, RouteSocket};
use rustix::io::Errno;
use rustix::process::geteuid;
use sha2::{Digest, Sha256};

use crate::changes::{bits, but_for, make_all};
use crate::rules::Forwarding;

/// What marks addresses and routes as ours (`IFA_PROTO`, `rtm_protocol`): the second for a gateway's address with which the
/// host was made a router.
pub(crate) const MAKER: u8 = 0xcf;
pub(crate) const MAKER_OF_ROUTER: u8 = 0xd0;
/// For an address of the host's in the namespace that stands in for it.
const MAKER_OF_MIRROR: u8 = 0xd1;
/// The loopback link.
const LOOPBACK: u32 = 1;
/// Where IPv4 addresses may be from, the first that the host has no use for. Away from what Docker, Podman and homes use.
const POOLS: [[u8; 2]; 6] = [[10, 207], [10, 219], [172, 31], [10, 171], [100, 111], [192, 168]];
/// The public address whose route says where the internet is (never sent to).
const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(1, 0, 0, 1));
/// The same of IPv6.
const SOMEWHERE6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0x4860, 0, 0, 0, 0, 0, 1));

/// What the host has for its containers' links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostNetwork {
    /// Where IPv4 addresses are from.
    pub pool4: AddressRange,
    /// Where IPv6 addresses are from; none where the host has no IPv6.
    pub pool6: Option<AddressRange>,
    /// The largest packet of the link towards the internet, in bytes.
    pub mtu: u32,
}

impl HostNetwork {
    /// Looks at the host; nothing is changed.
    ///
    /// # Errors
    /// The kernel does not answer, or the host uses every pool that there is.
    pub fn look() -> io::Result<Self> {
        Self::of(gateways)
    }

    /// Looks at a host that another network is to stand in for. The gateways that it has are others' containers': that network must
    /// not take them for its own, because the host's addresses are kept from its containers.
    ///
    /// # Errors
    /// The kernel does not answer, or the host uses every pool that there is.
    pub fn look_from_aside() -> io::Result<Self> {
        Self::of(|_| Ok(Vec::new()))
    }

    fn of(gateways: impl FnOnce(&RouteSocket) -> io::Result<Vec<LinkAddress>>) -> io::Result<Self> {
        let routes = RouteSocket::open()?;
        let gateways = gateways(&routes)?;
        let ours = |v6: bool| gateways.iter().find(|it| it.address.is_ipv6() == v6).map(|it| it.address);
        let pool4 = match ours(false) {
            Some(gateway) => pool_of(gateway),
            None => free_pool(&routes)?,
        };
        let pool6 = if has_ipv6() {
            Some(ours(true).map_or_else(|| own_pool6(geteuid().as_raw()), pool_of))
        } else {
            None
        };
        Ok(Self { pool4, pool6, mtu: uplink_mtu(&routes)? })
    }
}

/// All addresses of the host's.
///
/// # Errors
/// The kernel does not answer.
pub fn addresses() -> io::Result<Vec<IpAddr>> {
    Ok(RouteSocket::open()?.addresses()?.into_iter().map(|it| it.address).collect())
}

/// The same, each with how many leading bits its network's addresses have.
///
/// # Errors
/// The kernel does not answer.
pub fn networks_of_host() -> io::Result<Vec<(IpAddr, u8)>> {
    Ok(RouteSocket::open()?.addresses()?.into_iter().map(|it| (it.address, it.prefix)).collect())
}

/// The gateways' addresses that the host has.
fn gateways(routes: &RouteSocket) -> io::Result<Vec<LinkAddress>> {
    Ok(routes.addresses_of(LOOPBACK)?.into_iter().filter(is_gateway).collect())
}

/// Whether an address is there so that the host's own is not reached.
pub(crate) fn is_mirrored(address: &LinkAddress) -> bool {
    address.link == LOOPBACK && address.maker == MAKER_OF_MIRROR
}

/// Gives the loopback link just these of others' addresses.
pub(crate) fn mirror(routes: &RouteSocket, wanted: &[IpAddr]) -> io::Result<()> {
    let all = routes.addresses()?;
    let (come, gone) = mirror_changes(&all, wanted);
    let come =
        come.iter().map(|address| Change::add_address(LOOPBACK, *address, bits(*address), MAKER_OF_MIRROR));
    let gone = gone.iter().map(|address| Change::remove_address(LOOPBACK, *address, bits(*address)));
    make_all(routes, come.chain(gone).collect())
}

/// Which addresses are to be given to the loopback link, and which taken from it. What is there with another maker is the namespace's
/// own: it is kept from the host as it is, and would lose its meaning with its maker.
fn mirror_changes(there: &[LinkAddress], wanted: &[IpAddr]) -> (Vec<IpAddr>, Vec<IpAddr>) {
    let is_there = |address: &&IpAddr| there.iter().any(|it| it.link == LOOPBACK && it.address == **address);
    let come = wanted.iter().filter(|address| !is_there(address)).copied().collect();
    let mirrored = there.iter().filter(|it| is_mirrored(it)).map(|it| it.address);
    (come, mirrored.filter(|address| !wanted.contains(address)).collect())
}

/// For which families there is a way to the internet.
///
/// # Errors
/// The kernel does not answer.
pub fn ways_out() -> io::Result<[bool; 2]> {
    let routes = RouteSocket::open()?;
    let is_way =
        |to| Ok::<_, io::Error>(routes.route_to(to)?.is_some_and(|route| route.link != Some(LOOPBACK)));
    Ok([is_way(SOMEWHERE)?, is_way(SOMEWHERE6)?])
}

fn is_gateway(address: &LinkAddress) -> bool {
    address.link == LOOPBACK && matches!(address.maker, MAKER | MAKER_OF_ROUTER)
}

/// The pool that a gateway's address is the first of.
#[must_use]
pub fn pool_of(gateway: IpAddr) -> AddressRange {
    let pool = match gateway {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            AddressRange::new(Ipv4Addr::new(a, b, 0, 0).into(), 16)
        }
        IpAddr::V6(address) => {
            AddressRange::new(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(), 64)
        }
    };
    pool.unwrap_or_else(|| AddressRange::only(gateway))
}

fn free_pool(routes: &RouteSocket) -> io::Result<AddressRange> {
    let addresses = routes.addresses()?;
    let used: Vec<AddressRange> = routes
        .routes()?
        .into_iter()
        .filter(|route| route.to.1 > 0 && route.protocol != MAKER)
        .filter_map(|route| AddressRange::new(route.to.0, route.to.1))
        .chain(addresses.iter().map(|it| AddressRange::only(it.address)))
        .collect();
    POOLS
        .into_iter()
        .filter_map(|[a, b]| AddressRange::new(Ipv4Addr::new(a, b, 0, 0).into(), 16))
        .find(|pool| !used.iter().any(|other| other.overlaps(*pool)))
        .ok_or_else(|| {
            io::Error::other("the host has routes to every range that containers' addresses could be from")
        })
}

/// A range below fd00::/8 (RFC 4193) of the machine's own, and of its user's.
fn own_pool6(uid: u32) -> AddressRange {
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let user = if uid == 0 { String::new() } else { format!(" {uid}") };
    let digest = Sha256::digest(format!("cofferdam {}{user}", machine.trim()));
    let mut bytes = [0; 16];
    bytes[0] = 0xfd;
    bytes[1..8].copy_from_slice(&digest[..7]);
    // fd00:ec2::/32 is a cloud's: nothing of ours may look like it.
    if bytes[1..4] == [0, 0x0e, 0xc2] {
        bytes[1] = 0xcf;
    }
    pool_of(Ipv6Addr::from(bytes).into())
}

fn has_ipv6() -> bool {
    std::fs::read_to_string("/proc/sys/net/ipv6/conf/all/disable_ipv6").is_ok_and(|text| text.trim() == "0")
}

/// That of the link that packets to the internet leave by; Ethernet's where there is none.
fn uplink_mtu(routes: &RouteSocket) -> io::Result<u32> {
    let link = routes.route_to(SOMEWHERE)?.and_then(|route| route.link);
    let details = match link {
        Some(index) => routes.link_details_of(index)?,
        None => None,
    };
    Ok(details.map_or(1500, |details| details.mtu.clamp(1280, 65_535)))
}

/// Gives the host the gateways' addresses.
pub(crate) fn add_gateways(
    routes: &RouteSocket,
    gateways: &[IpAddr],
    forwarding: Forwarding,
) -> io::Result<()> {
    let changes = gateways.iter().map(|gateway| {
        let maker = if forwarding.0[usize::from(gateway.is_ipv6())] { MAKER_OF_ROUTER } else { MAKER };
        Change::add_address(LOOPBACK, *gateway, bits(*gateway), maker)
    });
    let mut all = vec![Change::link_up(LOOPBACK)];
    all.extend(changes);
    make_all(routes, all)
}

/// Takes the gateways' addresses from the host, whosever they were, and makes it no router again if it was none.
pub(crate) fn remove_gateways(routes: &RouteSocket) -> io::Result<()> {
    for gateway in gateways(routes)? {
        if gateway.maker == MAKER_OF_ROUTER {
            std::fs::write(forwarding_file(gateway.address.is_ipv6()), "0")?;
        }
        let removed = routes.make(Change::remove_address(LOOPBACK, gateway.address, gateway.prefix));
        but_for(&[Errno::ADDRNOTAVAIL], removed)?;
    }
    Ok(())
}

fn forwarding_file(v6: bool) -> &'static str {
    if v6 { "/proc/sys/net/ipv6/conf/all/forwarding" } else { "/proc/sys/net/ipv4/ip_forward" }
}

/// For which families the host is a router only because of us, now or once it is made one.
pub(crate) fn forwarding(routes: &RouteSocket) -> io::Result<Forwarding> {
    let gateways = gateways(routes)?;
    let mut ours = [false; 2];
    for v6 in [false, true] {
        let known = gateways.iter().find(|it| it.address.is_ipv6() == v6);
        ours[usize::from(v6)] = match known {
            Some(gateway) => gateway.maker == MAKER_OF_ROUTER,
            None => std::fs::read_to_string(forwarding_file(v6)).is_ok_and(|text| text.trim() == "0"),
        };
    }
    Ok(Forwarding(ours))
}

/// Whether the host passes packets on.
pub(crate) fn is_router(v6: bool) -> io::Result<bool> {
    Ok(std::fs::read_to_string(forwarding_file(v6))?.trim() != "0")
}

/// Makes the host pass packets on. The caller has set the rules that keep it from doing so for others.
pub(crate) fn become_router(v6: bool) -> io::Result<()> {
    if is_router(v6)? {
        return Ok(());
    }
    if v6 {
        keep_router_advertisements(Path::new("/proc/sys/net/ipv6/conf"))?;
    }
    std::fs::write(forwarding_file(v6), "1")
}

/// A router takes no advertisements unless it is told to: the host's own way to the internet must not be lost
/// (Documentation/networking/ip-sysctl.rst, `accept_ra`).
fn keep_router_advertisements(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let file = entry?.path().join("accept_ra");
        if std::fs::read_to_string(&file).is_ok_and(|text| text.trim() == "1") {
            // A link that goes meanwhile needs none.
            let _ = std::fs::write(&file, "2");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_known_by_its_gateway() {
        assert_eq!(pool_of("10.207.0.1".parse().unwrap()).to_string(), "10.207.0.0/16");
        let pool = own_pool6(0);
        assert_eq!(pool.prefix(), 64);
        assert_eq!(pool_of(pool.nth(1).unwrap()), pool);
        assert!(!own_pool6(1000).overlaps(pool) && !own_pool6(1000).overlaps(own_pool6(1001)));
    }

    #[test]
    fn what_a_namespace_has_itself_is_neither_mirrored_nor_taken_away() {
        let address = |text: &str, maker| LinkAddress {
            link: LOOPBACK,
            address: text.parse().unwrap(),
            prefix: 32,
            maker,
        };
        let there = [
            address("127.0.0.1", 0),
            address("10.207.0.1", MAKER_OF_ROUTER),
            address("192.0.2.1", MAKER_OF_MIRROR),
            address("192.0.2.2", MAKER_OF_MIRROR),
        ];
        let all = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let wanted = all(&["10.207.0.1", "192.0.2.2", "192.0.2.3"]);
        assert_eq!(mirror_changes(&there, &wanted), (all(&["192.0.2.3"]), all(&["192.0.2.1"])));
        assert_eq!(mirror_changes(&there, &[]), (Vec::new(), all(&["192.0.2.1", "192.0.2.2"])));
    }
}
