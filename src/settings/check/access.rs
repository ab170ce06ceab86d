//! Checks what is said about who may ask: keys that can be guessed or sent by nobody, rates, addresses.

use secrecy::ExposeSecret;

use super::Report;
use super::server::is_address;
use crate::provider::secrets::MASK;
use crate::settings::Settings;

/// A shorter key could be found by trying.
const SHORTEST_KEY: usize = 16;

/// Every request that counts is remembered for as long as it counts.
const MOST_CALLS: u32 = 100_000;

/// What a key can be made with.
const MAKE_ONE: &str = "make one with `openssl rand -hex 32`";

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    let access = &settings.access;
    for key in &access.keys {
        if let Some(fault) = fault_of_key(key.expose_secret()) {
            report.at(&["access", "keys"], fault);
        }
    }
    for limit in &access.rate {
        report.unless(
            limit.calls <= MOST_CALLS,
            &["access", "rate"],
            format!("{limit} is more than can be counted exactly; write at most {MOST_CALLS} in a shorter period"),
        );
    }
    report.unless(
        access.cors.len() < 2 || !access.cors.iter().any(crate::settings::access::Origin::is_any),
        &["access", "cors"],
        "\"*\" allows every page already; write it alone, or leave it out",
    );
    let Some(address) = &access.admin_listen else { return };
    let path = ["access", "admin_listen"];
    report.unless(
        is_address(address),
        &path,
        format!("{address:?} is no address; write a host and a port, such as \"127.0.0.1:9090\""),
    );
    report.unless(
        *address != settings.server.listen || address.ends_with(":0"),
        &path,
        format!("{address} is server.listen, too; choose another port, or leave this out to serve everything there"),
    );
}

/// What is wrong with a key, without the key.
fn fault_of_key(key: &str) -> Option<String> {
    if key.is_empty() {
        return Some(format!("an empty key lets everybody in; {MAKE_ONE}, or leave keys out"));
    }
    if key == MASK {
        return Some(format!("{MASK} stands for a key that is not shown; write the key, or ${{NAME}} for a variable"));
    }
    if key.len() < SHORTEST_KEY {
        return Some(format!(
            "a key of {} characters can be guessed, {SHORTEST_KEY} is the least; {MAKE_ONE}",
            key.len()
        ));
    }
    let can_be_sent = key.bytes().all(|byte| byte.is_ascii_graphic());
    (!can_be_sent).then(|| format!("a key with a space or a sign outside of ASCII cannot be sent; {MAKE_ONE}"))
}
