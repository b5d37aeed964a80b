//! The `Date` of answers whose node gave none.

use crate::base::clock;
use http::HeaderValue;
use std::cell::RefCell;
use std::time::{Duration, UNIX_EPOCH};

/// The `Date` of now; written once a second.
pub(super) fn now() -> HeaderValue {
    thread_local! {
        static DATE: RefCell<(u64, HeaderValue)> = const { RefCell::new((0, HeaderValue::from_static(""))) };
    }
    DATE.with_borrow_mut(|(at, text)| {
        let now = clock::unix_secs();
        if *at != now {
            let written = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now));
            if let Ok(written) = HeaderValue::try_from(written) {
                (*at, *text) = (now, written);
            }
        }
        text.clone()
    })
}
