//! What may be subscribed to: topic filters with their wildcards, shared by a group or not.

/// How a shared subscription begins: `$share/GROUP/FILTER`.
const SHARED: &str = "$share/";

/// Says why a filter cannot stand.
pub(super) fn fault_of(filter: &str) -> Option<String> {
    let plain = match filter.strip_prefix(SHARED) {
        Some(rest) => match rest.split_once('/') {
            Some((group, shared)) if is_group(group) && !shared.is_empty() => shared,
            _ => return Some(malformed_share(filter)),
        },
        None if filter == SHARED.trim_end_matches('/') => return Some(malformed_share(filter)),
        None => filter,
    };
    if plain != filter && plain.starts_with(SHARED) {
        return Some(format!("{filter:?}: a shared filter cannot be shared once more"));
    }
    let levels: Vec<&str> = plain.split('/').collect();
    let last = levels.len() - 1;
    let is_whole = levels.iter().enumerate().all(|(index, level)| match *level {
        "+" => true,
        "#" => index == last,
        other => !other.contains(['+', '#', '\0']),
    });
    if plain.is_empty() || filter.len() > usize::from(u16::MAX) || !is_whole {
        return Some(format!("{filter:?} is no topic filter: '+' and '#' are whole levels, '#' the last"));
    }
    None
}

/// Tells whether a good filter is shared by a group.
pub(crate) fn is_shared(filter: &str) -> bool {
    filter.starts_with(SHARED)
}

/// Returns a good filter without the group that shares it.
pub(crate) fn unshared(filter: &str) -> &str {
    let shared = filter.strip_prefix(SHARED).and_then(|rest| rest.split_once('/'));
    shared.map_or(filter, |(_, filter)| filter)
}

fn is_group(group: &str) -> bool {
    !group.is_empty() && !group.contains(['+', '#', '\0'])
}

fn malformed_share(filter: &str) -> String {
    format!("{filter:?}: a shared subscription is $share/GROUP/FILTER, the group without '/', '+' and '#'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_whole_levels() {
        for good in ["#", "a/+/b", "+/#", "/", "$SYS/#", "$shared/a"] {
            assert_eq!(fault_of(good), None);
        }
        for bad in ["", "a#", "#/a", "a/b+", "a\0"] {
            assert!(fault_of(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn a_shared_filter_is_told_without_its_group() {
        for (filter, expected) in
            [("$share/agents/plant/#", "plant/#"), ("plant/#", "plant/#"), ("$SYS/#", "$SYS/#")]
        {
            assert_eq!(unshared(filter), expected);
        }
    }

    #[test]
    fn a_shared_filter_has_a_group_and_a_filter() {
        for good in ["$share/plant/#", "$share/g/a/+/b", "$share/g//a", "$share/g/$SYS/#"] {
            assert_eq!(fault_of(good), None);
            assert!(is_shared(good));
        }
        for bad in [
            "$share",
            "$share/",
            "$share/g",
            "$share/g/",
            "$share//a",
            "$share/g+/a",
            "$share/#",
            "$share/g/a#",
        ] {
            assert!(fault_of(bad).is_some(), "{bad:?}");
        }
        let twice = fault_of("$share/g/$share/h/a").expect("a fault");
        assert!(twice.ends_with("cannot be shared once more"), "{twice}");
    }
}
