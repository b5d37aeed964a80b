//! `homing reload` and `homing healthcheck`.

use super::show::{print, word};
use super::window::{AdminClient, VerbFailure};
use http::StatusCode;
use serde_json::Value;

/// Reloads, waits, and prints what changed.
pub fn reload(window: &AdminClient, json: bool) -> Result<(), VerbFailure> {
    let (body, reload) = window.post("/api/reload", None)?;
    if json {
        print(&body);
        return Ok(());
    }
    let changes: Vec<&str> =
        reload["changes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let took = reload["took_ms"].as_f64().unwrap_or_default();
    let what = match (changes.as_slice(), reload["unchanged_since"].as_str()) {
        ([], Some(since)) => format!("nothing changed: the files are unchanged since {since}"),
        ([], None) => "nothing changed".into(),
        (changes, _) => changes.join("\n  "),
    };
    print(&format!("{} in {took:.1} ms: {what}\n", word("applied")));
    Ok(())
}

/// Whether the proxy is alive and not stopping.
pub fn healthcheck(window: &AdminClient, json: bool) -> Result<(), VerbFailure> {
    match window.status_of("/ping")? {
        StatusCode::OK if json => print("{\"alive\":true}\n"),
        StatusCode::OK => {}
        StatusCode::SERVICE_UNAVAILABLE => return Err(VerbFailure::Failed("the proxy is stopping".into())),
        other => {
            return Err(VerbFailure::Failed(format!(
                "/ping answers {}, not 200: check --admin",
                other.as_u16()
            )));
        }
    }
    Ok(())
}
