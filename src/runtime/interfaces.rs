//! The host's IPv4 addresses that a connection may offer (design.md section 4).

use std::ffi::CStr;
use std::io;
use std::net::Ipv4Addr;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) loopback: bool,
}

/// Every IPv4 address of every interface that is up.
pub(crate) fn list() -> io::Result<Vec<Interface>> {
    let mut head: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: getifaddrs writes one pointer; the list it makes is freed below.
    if unsafe { libc::getifaddrs(&raw mut head) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut cursor = head;
    // SAFETY: the cursor walks the list that getifaddrs made, which ends with a null pointer.
    while let Some(entry) = unsafe { cursor.as_ref() } {
        cursor = entry.ifa_next;
        let up = entry.ifa_flags & libc::IFF_UP as u32 != 0;
        // SAFETY: ifa_addr is null or points at an address whose family tells its type.
        let address = unsafe { entry.ifa_addr.as_ref() };
        let Some(address) = address.filter(|a| i32::from(a.sa_family) == libc::AF_INET) else {
            continue;
        };
        if !up {
            continue;
        }
        // SAFETY: the family says that this is a sockaddr_in.
        let v4 = unsafe { &*(&raw const *address).cast::<libc::sockaddr_in>() };
        // SAFETY: ifa_name is a string with a final zero that lives as long as the list.
        let name = unsafe { CStr::from_ptr(entry.ifa_name) };
        found.push(Interface {
            name: name.to_string_lossy().into_owned(),
            address: Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)),
            loopback: entry.ifa_flags & libc::IFF_LOOPBACK as u32 != 0,
        });
    }
    // SAFETY: `head` came from getifaddrs and is freed once.
    unsafe { libc::freeifaddrs(head) };
    Ok(found)
}

/// The addresses to offer: those of the named interface; all others without loopback; loopback
/// only if nothing else exists. A name that does not exist or has no address counts as none
/// (contract ICE-6).
pub(crate) fn choose(interfaces: &[Interface], wanted: Option<&str>) -> Vec<Ipv4Addr> {
    let pick = |keep: &dyn Fn(&Interface) -> bool| -> Vec<Ipv4Addr> {
        interfaces.iter().filter(|i| keep(i)).map(|i| i.address).collect()
    };
    if let Some(name) = wanted {
        let named = pick(&|i| i.name == name);
        if let Some(first) = named.first() {
            return vec![*first];
        }
        tracing::warn!(interface = name, "no such interface with an IPv4 address: using all");
    }
    let outward = pick(&|i| !i.loopback);
    if outward.is_empty() { pick(&|_| true) } else { outward }
}

#[cfg(test)]
mod test {
    use super::*;

    fn interface(name: &str, address: [u8; 4], loopback: bool) -> Interface {
        Interface { name: name.into(), address: address.into(), loopback }
    }

    #[test]
    fn ice_1_loopback_is_offered_only_if_named_or_alone() {
        let lo = interface("lo", [127, 0, 0, 1], true);
        let eth = interface("eth0", [10, 0, 0, 7], false);
        let both = [lo.clone(), eth.clone()];
        assert_eq!(choose(&both, None), [eth.address]);
        assert_eq!(choose(&both, Some("lo")), [lo.address]);
        assert_eq!(choose(&both[..1], None), [lo.address]);
    }

    #[test]
    fn ice_6_an_unknown_interface_means_all() {
        let eth = interface("eth0", [10, 0, 0, 7], false);
        assert_eq!(choose(std::slice::from_ref(&eth), Some("eth9")), [eth.address]);
    }

    #[test]
    fn this_host_has_a_loopback_interface() {
        let found = list().unwrap();
        assert!(found.iter().any(|i| i.loopback && i.address.is_loopback()), "{found:?}");
    }
}
