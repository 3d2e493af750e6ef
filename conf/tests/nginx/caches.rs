//! What is cached, where and how.

use super::*;

#[test]
fn caches_have_nginx_s_profile() {
    let config = config(
        "events {} http { proxy_cache_path cache levels=1:2 keys_zone=z:1m inactive=5m max_size=10m;
            server { location / { proxy_pass http://127.0.0.1:1; proxy_cache z; proxy_cache_key $uri;
                proxy_cache_valid 10m; proxy_cache_valid 404 1m; proxy_cache_valid any 5s; } } }",
    );
    // Too small for a disk.
    assert_eq!(
        (config.caches[0].memory, &config.caches[0].disk),
        (10 << 20, &None)
    );
    assert_eq!(config.caches[0].inactive, Some(Duration::from_secs(300)));
    let policy = route(&config, "/").policy.cache.as_ref().expect("a cache");
    assert_eq!(policy.profile, CacheProfile::Nginx);
    let statuses: Vec<&[u16]> = policy.valid.iter().map(|(s, _)| s.as_slice()).collect();
    assert_eq!(statuses, [[200, 301, 302].as_slice(), &[404], &[]]);
}

#[test]
fn the_path_of_a_cache_is_its_disk() {
    let config = config(
        "events {} http { proxy_cache_path cache levels=1:2 keys_zone=z:1m max_size=1g use_temp_path=off;
            proxy_cache_path /var/cache/n keys_zone=y:1m min_free=1g; }",
    );
    let disk = |n: usize| config.caches[n].disk.clone().expect("a disk");
    assert!(disk(0).path.ends_with("cache") && disk(0).path.is_absolute());
    assert_eq!(
        (disk(0).size, config.caches[0].memory),
        (1 << 30, 256 << 20)
    );
    assert_eq!(
        (disk(1).path.to_str(), disk(1).size),
        (Some("/var/cache/n"), 10 << 30)
    );
    assert_eq!((disk(0).min_free, disk(1).min_free), (0, 1 << 30));
    let unsaid = config.caches[1].inactive;
    assert_eq!(unsaid, Some(Duration::from_secs(600)), "nginx's own");
    let text =
        "events {} http { proxy_cache_path c keys_zone=z:1m; proxy_cache_path c keys_zone=y:1m; }";
    let refused = load_text("/p/conf/nginx.conf", text, &LoadOptions::default());
    let refused = refused.expect_err("one directory for two");
    assert!(
        refused
            .diagnostics
            .iter()
            .any(|d| d.message.contains("duplicate cache path"))
    );
}

#[test]
fn slices_are_read_and_their_range_is_a_variable() {
    let config = config(
        "events {} http { proxy_cache_path c keys_zone=z:1m; slice 1m;
            server { location / { proxy_pass http://127.0.0.1:1; proxy_cache z; proxy_cache_key $uri$slice_range;
                    proxy_set_header Range $slice_range; }
                location /off { proxy_pass http://127.0.0.1:1; proxy_cache z; slice 0; }
                location /small { proxy_pass http://127.0.0.1:1; proxy_cache z; slice 1k; } } }",
    );
    let slice = |path: &str| {
        route(&config, path)
            .policy
            .cache
            .as_ref()
            .expect("a cache")
            .slice
    };
    assert_eq!(slice("/"), Some(1 << 20));
    assert_eq!(slice("/off"), None);
    assert_eq!(slice("/small"), Some(64 << 10), "as near as we cut");
}

#[test]
fn what_has_no_effect_in_a_cache_s_path_is_named_by_its_warning() {
    let text = "events {} http { proxy_cache_path c keys_zone=z:1m inactive=5m; }";
    let (_, warnings) =
        load_text("/p/conf/nginx.conf", text, &LoadOptions::default()).expect("loads");
    let messages: Vec<&str> = warnings.iter().map(|d| d.message.as_str()).collect();
    assert!(
        matches!(messages[..], [one] if one.contains("levels, manager and loader have no effect")),
        "{messages:?}"
    );
}

#[test]
fn what_a_level_says_of_a_cache_is_inherited_and_replaced() {
    let config = config(
        "events {} http { proxy_cache_path c keys_zone=z:1m; proxy_cache z;
            proxy_cache_bypass $cookie_a $arg_b; proxy_no_cache $http_pragma; proxy_cache_min_uses 3;
            proxy_cache_use_stale error timeout updating http_503 http_429; proxy_cache_lock on;
            proxy_cache_lock_timeout 2s; proxy_cache_revalidate on; proxy_ignore_headers Set-Cookie Vary; proxy_cache_max_range_offset 1m;
            server {
                location / { proxy_pass http://127.0.0.1:1; proxy_cache_methods GET HEAD POST; proxy_cache_convert_head off; }
                location /b { proxy_pass http://127.0.0.1:1; proxy_cache_bypass $arg_c; proxy_cache_use_stale off;
                    proxy_cache_lock off; proxy_cache_background_update on; } } }",
    );
    let outer = route(&config, "/").policy.cache.as_ref().expect("a cache");
    assert_eq!(
        (outer.bypass.len(), outer.no_store.len(), outer.min_uses),
        (2, 1, 3)
    );
    assert_eq!(outer.nginx.use_stale.len(), 5);
    let second = Duration::from_secs(1);
    assert_eq!(outer.nginx.lock, Some((second * 2, second * 5)));
    assert!(outer.nginx.revalidate && !outer.nginx.background_update);
    assert_eq!(outer.nginx.max_range_offset, Some(1 << 20));
    assert!(outer.nginx.post && !outer.nginx.convert_head);
    assert_eq!(outer.nginx.ignore_headers, ["Set-Cookie", "Vary"]);
    let inner = route(&config, "/b").policy.cache.as_ref().expect("a cache");
    assert_eq!((inner.bypass.len(), inner.no_store.len()), (1, 1));
    assert!(inner.nginx.use_stale.is_empty() && inner.nginx.lock.is_none());
    assert!(inner.nginx.background_update);
    assert!(!inner.nginx.post && inner.nginx.convert_head);
}

#[test]
fn what_a_cache_cannot_do_is_said() {
    for (directive, message) in [
        (
            "proxy_cache_use_stale sometimes;",
            "invalid value \"sometimes\"",
        ),
        ("proxy_cache_methods PUT;", "invalid value \"PUT\""),
        ("proxy_cache_convert_head maybe;", "convert_head"),
        ("proxy_ignore_headers Age;", "invalid value \"Age\""),
    ] {
        let found = in_http(directive).join("\n");
        assert!(found.contains(message), "{directive}: {found}");
    }
}
