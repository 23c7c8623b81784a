//! What is beyond this machine: the proxy and the authorities, then the provider and the backend from name to answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use vault_auth::address::Address;
use vault_auth::grant::GrantError;
use vault_auth::http::HttpClient;
use vault_auth::metadata::{Metadata, MetadataError};
use vault_auth::profile::Profiles;
use vault_auth::selection::Selection;
use vault_auth::session_file::SessionFile;

use super::Check;
use crate::context::Context;
use crate::error::{CommandError, Kind, metadata_failed};
use crate::network;
use crate::session_access::SessionAccess;

/// Checks all of it; nothing where the network is forbidden.
pub(super) fn checks(
    access: &SessionAccess<'_>,
    file: Option<&SessionFile>,
) -> Result<Vec<Check>, CommandError> {
    let ctx = access.ctx;
    if let Some(from) = ctx.air_gap()? {
        return Ok(vec![Check::skipped("network", format!("{from} forbids it"))]);
    }
    let selected = match file {
        Some(file) => access.select(file),
        None => ctx.selection_words()?.select(&Profiles::default()),
    };
    let mut checks = vec![proxy(ctx), authorities(ctx)];
    let http = match network::client(ctx, "to look at it") {
        Ok(http) => http,
        Err(error) => {
            checks.push(Check::error("client", &error));
            return Ok(checks);
        }
    };
    match selected {
        Err(error) => checks.push(Check::error("selection", &error)),
        Ok(selection) => {
            let by_hand = file.and_then(|file| token_endpoint(access, file, &selection));
            checks.extend(provider(ctx, &http, &selection, by_hand));
            checks.extend(backend(ctx, &http, &selection));
        }
    }
    Ok(checks)
}

fn proxy(ctx: &Context) -> Check {
    const NAME: &str = "proxy";
    match ctx.proxy() {
        Err(error) => Check::error(NAME, &error),
        Ok(None) => Check::ok(NAME, "none is set"),
        // The address may carry a password.
        Ok(Some(proxy)) if proxy.exceptions.trim().is_empty() => {
            Check::ok(NAME, "one is set, for every server but this machine")
        }
        Ok(Some(proxy)) => {
            Check::ok(NAME, format!("one is set, but not for this machine and {}", proxy.exceptions))
        }
    }
}

fn authorities(ctx: &Context) -> Check {
    const NAME: &str = "authorities";
    match ctx.additional_roots() {
        Err(error) => Check::error(NAME, &error),
        Ok(None) => Check::ok(NAME, "those of the system"),
        Ok(Some(_)) => Check::ok(NAME, "those of the system, and those of the file that is named"),
    }
}

/// Returns where tokens are given, of a provider whose endpoints the profile has.
fn token_endpoint(access: &SessionAccess<'_>, file: &SessionFile, selection: &Selection) -> Option<Address> {
    let profiles = access.profiles(file).ok()?;
    let profile = profiles.get(&selection.profile.as_ref()?.value)?;
    Address::parse(profile.token_endpoint.as_deref()?).ok()
}

fn provider(ctx: &Context, http: &HttpClient, selection: &Selection, by_hand: Option<Address>) -> Vec<Check> {
    let Some(issuer) = selection.issuer.as_ref().map(|chosen| &chosen.value) else {
        return vec![Check::skipped(PROVIDER.answer, "no issuer is known: `--env HOST` names one")];
    };
    let mut checks = way(ctx, by_hand.as_ref().unwrap_or(issuer), &PROVIDER);
    checks.push(match &by_hand {
        Some(endpoint) => reach(http, endpoint, &PROVIDER),
        None => discovery(http, issuer),
    });
    checks.extend(clock(http, by_hand.as_ref().unwrap_or(issuer)));
    checks
}

fn backend(ctx: &Context, http: &HttpClient, selection: &Selection) -> Vec<Check> {
    let Some(base) = selection.base_url.as_ref().map(|chosen| &chosen.value) else {
        return vec![Check::skipped(BACKEND.answer, "no backend is known: `--base-url URL` names one")];
    };
    let mut checks = way(ctx, base, &BACKEND);
    checks.push(reach(http, base, &BACKEND));
    checks
}

/// The names of the checks on the way to a server.
struct Names {
    answer: &'static str,
    dns: &'static str,
    tcp: &'static str,
}

const PROVIDER: Names = Names { answer: "provider", dns: "provider dns", tcp: "provider tcp" };
const BACKEND: Names = Names { answer: "backend", dns: "backend dns", tcp: "backend tcp" };

/// Goes the way to a server as far as a request does before TLS. A proxy goes it instead.
fn way(ctx: &Context, address: &Address, names: &Names) -> Vec<Check> {
    if !address.is_loopback() && ctx.proxy().is_ok_and(|proxy| proxy.is_some()) {
        return vec![Check::skipped(names.dns, "the proxy finds the server")];
    }
    let patience = ctx.timeout().map_or(PATIENCE, |time| time.min(PATIENCE));
    let host = address.host();
    match resolve(address, patience) {
        Err(why) => {
            vec![Check::failed(
                names.dns,
                format!("{host}: {why}"),
                "the name, or the network's resolver, is wrong",
            )]
        }
        Ok(found) => {
            let shown: Vec<String> = found.iter().map(|at| at.ip().to_string()).collect();
            let resolved = Check::ok(names.dns, format!("{host} is {}", shown.join(", ")));
            vec![resolved, connection(names.tcp, &found, patience)]
        }
    }
}

/// Asks the system for a name, on a thread of its own: it has no deadline.
fn resolve(address: &Address, patience: Duration) -> Result<Vec<SocketAddr>, String> {
    let (host, port) = (address.host(), address.port());
    let host = host.trim_matches(['[', ']']);
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    if address.is_loopback() {
        let own = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        return Ok(own.map(|ip| SocketAddr::new(ip, port)).into());
    }
    let (sender, receiver) = mpsc::channel();
    let name = (host.to_owned(), port);
    thread::spawn(move || sender.send(name.to_socket_addrs().map(Iterator::collect::<Vec<_>>)));
    match receiver.recv_timeout(patience) {
        Ok(Ok(found)) if !found.is_empty() => Ok(found),
        Ok(Ok(_)) => Err("it has no address".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", patience.as_secs())),
    }
}

fn connection(name: &'static str, addresses: &[SocketAddr], patience: Duration) -> Check {
    let mut refused = String::new();
    for address in addresses {
        match TcpStream::connect_timeout(address, patience) {
            Ok(_) => return Check::ok(name, format!("{address} takes connections")),
            Err(error) => refused = format!("{address}: {error}"),
        }
    }
    Check::failed(name, refused, "a firewall, or a server that is down; behind a proxy, set `HTTPS_PROXY`")
}

/// Asks the issuer what it is, which shows TLS and HTTP on the way.
fn discovery(http: &HttpClient, issuer: &Address) -> Check {
    const NAME: &str = PROVIDER.answer;
    let metadata = match Metadata::discover(http, issuer) {
        Err(error) => return not_discovered(&error),
        Ok(metadata) => metadata,
    };
    let has = |is: bool, what: &str| format!("{what}: {}", if is { "yes" } else { "no" });
    let found = [
        has(metadata.device_authorization_endpoint.is_some(), "device login"),
        has(metadata.revocation_endpoint.is_some(), "revocation"),
        has(metadata.userinfo_endpoint.is_some(), "userinfo"),
        has(!metadata.dpop_algorithms.is_empty(), "bound tokens"),
    ];
    let found = format!("{} answers; {}", issuer.origin(), found.join(", "));
    if metadata.device_authorization_endpoint.is_some() {
        return Check::ok(NAME, found);
    }
    Check::warning(NAME, found, "`keyward auth login --with-api-key` needs no device login")
}

/// A server that did not answer is a matter of the way, and not of what it says.
fn not_discovered(error: &MetadataError) -> Check {
    let failed = metadata_failed(error);
    let (MetadataError::Server(source) | MetadataError::NotFound { source, .. }) = error else {
        return Check::error(PROVIDER.answer, &failed);
    };
    let of_the_way = Some(hint(source).to_owned()).filter(|_| failed.kind == Kind::Network);
    Check::error(PROVIDER.answer, &CommandError { hint: of_the_way.or(failed.hint.clone()), ..failed })
}

/// Compares the clocks, if the provider has said what time it is.
fn clock(http: &HttpClient, issuer: &Address) -> Option<Check> {
    const NAME: &str = "clock";
    let ahead = http.clock_skew(issuer)?;
    let found = match ahead {
        0 => "as that of the provider".to_owned(),
        ahead if ahead > 0 => format!("{ahead} s behind that of the provider"),
        behind => format!("{} s ahead of that of the provider", behind.unsigned_abs()),
    };
    let hint = "set this machine's clock: `timedatectl set-ntp true`";
    Some(match ahead.unsigned_abs() {
        ..=SMALL_SKEW => Check::ok(NAME, found),
        skew if skew <= LARGEST_SKEW => Check::warning(NAME, found, hint),
        _ => Check::failed(NAME, found, hint),
    })
}

/// Asks for the address; whatever is answered, the server is there.
fn reach(http: &HttpClient, address: &Address, names: &Names) -> Check {
    match http.reach(address) {
        Ok(status) => Check::ok(names.answer, format!("{} answers (status {status})", address.origin())),
        Err(error) => Check::failed(names.answer, error.to_string(), hint(&error)),
    }
}

fn hint(error: &GrantError) -> &'static str {
    match error {
        GrantError::NotReached { reason, .. } if reason.contains("certificate") => {
            "where an authority of your own signs it: `--ca-file FILE`"
        }
        _ => "a proxy or a firewall may stand in between, or the server is down",
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
/// In seconds. What an answer takes on its way, and the coarseness of dates.
const SMALL_SKEW: u64 = 30;
/// In seconds. What the check of ID tokens bears.
const LARGEST_SKEW: u64 = 300;
