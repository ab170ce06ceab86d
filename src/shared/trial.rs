//! Tries whether a store does everything that it is needed for, so that a right that a user lacks is found before replicas start.

use std::time::Duration;

use super::StoreError;
use super::script::Script;
use super::store::Store;
use crate::settings::SharedSettings;

/// How long the store may take to reply to one command.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The commands that scripts use, each harmless to a key that is used for nothing else.
const IN_SCRIPTS: [(&str, &str); 16] = [
    ("TIME", "redis.call('TIME')"),
    ("ZADD", "redis.call('ZADD', KEYS[1], 1, 'trial')"),
    ("ZCARD", "redis.call('ZCARD', KEYS[1])"),
    ("ZCOUNT", "redis.call('ZCOUNT', KEYS[1], 0, 1)"),
    ("ZRANGE", "redis.call('ZRANGE', KEYS[1], 0, 0)"),
    ("ZSCORE", "redis.call('ZSCORE', KEYS[1], 'trial')"),
    ("PEXPIRE", "redis.call('PEXPIRE', KEYS[1], 60000)"),
    ("ZREMRANGEBYSCORE", "redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, 1)"),
    ("HSET", "redis.call('HSET', KEYS[2], 'trial', 1)"),
    ("HGET", "redis.call('HGET', KEYS[2], 'trial')"),
    ("HLEN", "redis.call('HLEN', KEYS[2])"),
    ("HRANDFIELD", "redis.call('HRANDFIELD', KEYS[2])"),
    ("HDEL", "redis.call('HDEL', KEYS[2], 'trial')"),
    ("SET", "redis.call('SET', KEYS[3], 1, 'PX', 1)"),
    ("GET", "redis.call('GET', KEYS[3])"),
    ("PUBLISH", "redis.call('PUBLISH', ARGV[1], '')"),
];

/// Tries everything that a store is needed for. Returns its version; `None` if the settings name no store.
///
/// # Errors
/// It cannot be used, or what of it cannot, each in words.
pub(crate) async fn try_store(settings: &SharedSettings) -> Option<Result<String, Vec<String>>> {
    let store = Store::listening(settings, drop)?;
    let server = match store.connect().await {
        Ok(server) => server,
        Err(error) => return Some(Err(vec![error.to_string()])),
    };
    if let Some(fault) = server.fault() {
        return Some(Err(vec![fault]));
    }
    let key = |name: &str| format!("{}:trial:{name}", settings.prefix);
    let (keys, channel) = ([key("set"), key("hash"), key("text")], format!("{}:news", settings.prefix));
    let keys = keys.each_ref().map(String::as_str);
    let mut faults = Vec::new();
    let agreed = store.agree_on(keys[2], "1").await;
    let mut note = |command: &str, error: StoreError| faults.push(format!("{command}: {error}"));
    for (command, call) in IN_SCRIPTS {
        let text = format!("local time = {call} return {{'tried', '0'}}");
        if let Err(error) = Script::of(text, TIMEOUT).run(&store, &keys, std::slice::from_ref(&channel)).await {
            note(command, error);
        }
    }
    if let Err(error) = agreed {
        note("SET", error);
    }
    if let Err(error) = store.values(keys[1]).await {
        note("HSCAN", error);
    }
    if let Err(error) = store.subscribe(&channel).await {
        note("SUBSCRIBE", error);
    }
    Some(if faults.is_empty() { Ok(server.version) } else { Err(faults) })
}
