//! The settings of a history.

use nbwss::Settings;

/// Every bound is in reach, and each of the less usual rules holds in some of the histories.
pub fn draw(random: &mut fastrand::Rng) -> Settings {
    let mut settings = Settings::default();
    let mut set = |key: &str, value: String| settings.set(key, &value).expect("a valid setting");
    set("exception.ignoreDecoder", random.bool().to_string());
    set("notification.window", random.usize(1..6).to_string());
    set("notification.batchCount", random.usize(1..5).to_string());
    set("notification.batchBytes", "1024".into());
    set("notification.maxAttempts", random.usize(2..6).to_string());
    let seldom = |random: &mut fastrand::Rng| random.u8(0..5) == 0;
    for (key, range) in [
        ("outbox.retention.maxCount", 1..20),
        ("outbox.retention.maxAge", 5..60),
        ("outbox.retention.maxBytes", 100..4000),
        ("outbox.maxCount", SMALL),
    ] {
        if seldom(random) {
            set(key, random.usize(range).to_string());
        }
    }
    set("outbox.collapseJobs", seldom(random).to_string());
    set("outbox.keepWithoutEndpoint", random.bool().to_string());
    set("outbox.store.sync", random.bool().to_string());
    set("connect.backoffBase", random.usize(100..2000).to_string());
    set("connect.maxRetryAfter", random.usize(1..120).to_string());
    set("keepAlive.scheduledRate", random.usize(5..30).to_string());
    set("dispatch.timeout", random.usize(500..5000).to_string());
    set("dispatch.policy", "allow GET /call/*".into());
    set("dispatch.maxPerSession", random.usize(1..20).to_string());
    set("dispatch.maxOutstanding", random.usize(1..20).to_string());
    settings
}

/// So few can wait that it is felt.
const SMALL: std::ops::Range<usize> = 5..60;

pub fn is_small(settings: &Settings) -> bool {
    settings.outbox_max_count < SMALL.end
}
