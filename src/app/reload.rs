//! The conf file again: read, checked, and applied to all that stands on it.

use super::{App, OVERLAY};
use crate::admin::status::Reload;
use crate::base::clock::{self, Now};
use crate::base::report::Diagnostic;
use crate::base::{cores, open_files};
use crate::config::model::Config;
use crate::config::{self, Loaded, Sizing};
use crate::control::asker::Asker;
use crate::control::audit::AuditEntry;
use crate::control::op::Target;
use crate::feed::announce;
use crate::feed::files::shown;
use crate::feed::names;
use crate::feed::writes::{FileChange, SLOW};
use sd_notify::NotifyState;
use std::time::Instant;

impl App {
    /// Applies what was saved, once it is whole.
    pub(super) fn follow(&mut self, change: &FileChange) {
        let start = clock::instant();
        let loaded = config::load(&self.path);
        if !self.files.are_still() {
            // somebody goes on writing: the next look comes when he is done
            return;
        }
        let takes_away = loaded.as_ref().map_or(true, |loaded| loaded.given.lacks(&self.given));
        if takes_away && self.files.doubts(change) {
            return;
        }
        if let (Err(findings), false) = (&loaded, change.open.is_empty()) {
            let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
            tracing::warn!(
                "{} is still being written and not taken as it is: {}",
                shown(&change.open),
                in_a_line(&findings)
            );
            return self.files.look_again();
        }
        let cause = if change.took() < SLOW {
            "a file changed".to_owned()
        } else {
            format!("a file changed, {:.1} s waited for its writer", change.took() as f64 / 1000.0)
        };
        self.take((&cause, &"file".into()), start, loaded, None);
    }

    /// Applies the conf file as it is now.
    pub(super) fn reload(&mut self, cause: &str, by: &Asker) -> Reload {
        let start = clock::instant();
        let unchanged = self.files.unchanged_since();
        let loaded = config::load(&self.path);
        self.take((cause, by), start, loaded, unchanged)
    }

    /// Applies what was read. A conf with an error changes nothing.
    fn take(
        &mut self,
        (cause, by): (&str, &Asker),
        start: Instant,
        loaded: Result<Loaded, Vec<Diagnostic>>,
        unchanged: Option<u64>,
    ) -> Reload {
        let _ = sd_notify::notify(&[
            NotifyState::Reloading,
            NotifyState::monotonic_usec_now().unwrap_or(NotifyState::Reloading),
        ]);
        let outcome = self.apply(loaded);
        let told = outcome.as_ref().map(Vec::as_slice).map_err(Vec::as_slice);
        self.admin.changed(AuditEntry::now(by, "reload", Target::Proxy.to_string(), told));
        let idle = outcome.as_ref().is_ok_and(Vec::is_empty);
        let unchanged_since = unchanged.filter(|_| idle).map(clock::rfc3339);
        match &outcome {
            Ok(changes) => {
                let changes = match &unchanged_since {
                    Some(since) => format!("nothing changed: the files are unchanged since {since}"),
                    None if idle => "nothing changed".to_owned(),
                    None => changes.join("; "),
                };
                tracing::info!(
                    "reloaded in {:.1} ms ({cause}): {changes}",
                    clock::since(start).as_secs_f64() * 1000.0
                );
            }
            Err(findings) => {
                tracing::error!(
                    "reload refused ({cause}), still running the conf of before: {}",
                    in_a_line(findings)
                );
            }
        }
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        let reload = Reload { unchanged_since, ..Reload::ended(cause, clock::since(start), outcome) };
        self.admin.reloaded(&reload);
        reload
    }

    fn apply(&mut self, loaded: Result<Loaded, Vec<Diagnostic>>) -> Result<Vec<String>, Vec<String>> {
        let mut loaded =
            loaded.map_err(|findings| findings.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        for warning in &loaded.warnings {
            tracing::warn!("{}", in_a_line(&[warning.to_string()]));
        }
        Sizing::fit(&mut loaded.config, &loaded.given, cores::count(), open_files::most());
        announce::read_common_tokens(&loaded.config, &mut loaded.files);
        let prepared = self
            .registry
            .prepare(loaded.config, loaded.files, Now::look())
            .map_err(|e| vec![e.to_string()])?;
        let mut changes = prepared.changes.clone();
        changes.extend(restart_needed(&self.registry.current().load().config, &prepared.table().config));
        let before = self.registry.overlay().clone();
        for line in self.put_in_force(prepared).map_err(|why| vec![why.to_string()])? {
            tracing::info!("{line} from here on");
        }
        names::look_again(&self.registry.current().load());
        if before != *self.registry.overlay() {
            self.state.write(OVERLAY, self.registry.overlay().clone());
        }
        self.files.set(&loaded.watched);
        self.given = loaded.given;
        Ok(changes)
    }
}

/// Findings without the lines of the file: where, what, and what to do.
pub(super) fn in_a_line(findings: &[String]) -> String {
    let told = findings.iter().flat_map(|finding| {
        let help = finding.lines().skip(1).map(str::trim).filter(|line| line.starts_with("help: "));
        finding.lines().take(1).chain(help)
    });
    told.collect::<Vec<_>>().join("; ")
}

/// Changes that only a restart applies, said rather than ignored.
fn restart_needed(before: &Config, after: &Config) -> Vec<String> {
    let (a, b) = (&before.server, &after.server);
    let mut said = Vec::new();
    let mut say = |changed: bool, key: &str| {
        if changed {
            said.push(format!("server.{key} takes effect at the next start"));
        }
    };
    say(a.workers != b.workers, "workers");
    say(a.state_dir != b.state_dir, "state-dir");
    say(a.traces != b.traces, "traces");
    said
}
