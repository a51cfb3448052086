//! Whether the kernel's routing tables have a way out: a route to everywhere over something else than the machine itself.

/// `RTF_UP` and `RTF_REJECT` of `linux/route.h`.
const UP: u32 = 0x1;
const REJECT: u32 = 0x200;

/// Reads `/proc/net/route`: interface, destination, gateway, flags, …, the mask in the eighth column.
pub(super) fn has_default_v4(table: &str) -> bool {
    table.lines().skip(1).any(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let [interface, destination, _, flags, _, _, _, mask, ..] = columns[..] else { return false };
        is_zero(destination) && is_zero(mask) && is_way(interface, flags)
    })
}

/// Reads `/proc/net/ipv6_route`: destination and its length, …, the flags and the interface at the end.
pub(super) fn has_default_v6(table: &str) -> bool {
    table.lines().any(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let [destination, length, .., flags, interface] = columns[..] else { return false };
        is_zero(destination) && is_zero(length) && is_way(interface, flags)
    })
}

fn is_zero(digits: &str) -> bool {
    !digits.is_empty() && digits.bytes().all(|digit| digit == b'0')
}

fn is_way(interface: &str, flags: &str) -> bool {
    let flags = u32::from_str_radix(flags, 16).unwrap_or(0);
    interface != "lo" && flags & UP != 0 && flags & REJECT == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_route_leads_out_of_the_machine() {
        const HEAD: &str =
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
        for (line, expected) in [
            ("eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n", true),
            ("eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n", false),
            // Half of everywhere, as tunnels have it.
            ("tun0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000080\t0\t0\t0\n", false),
            ("*\t00000000\t00000000\t0200\t0\t0\t100\t00000000\t0\t0\t0\n", false),
            ("lo\t00000000\t00000000\t0001\t0\t0\t100\t00000000\t0\t0\t0\n", false),
            ("eth0\t00000000\n", false),
            ("", false),
        ] {
            assert_eq!(has_default_v4(&format!("{HEAD}{line}")), expected, "{line}");
        }
        let zero = "0".repeat(32);
        let route = |length: &str, flags: &str, interface: &str| {
            format!("{zero} {length} {zero} 00 {zero} 00000400 00000001 00000000 {flags} {interface}\n")
        };
        for (line, expected) in [
            (route("00", "00450003", "eth0"), true),
            (route("40", "00000001", "eth0"), false),
            // What every kernel has: nothing is reachable.
            (route("00", "00200200", "lo"), false),
            ("x y".to_owned(), false),
        ] {
            assert_eq!(has_default_v6(&line), expected, "{line}");
        }
    }
}
