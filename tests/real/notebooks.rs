//! JupyterLab behind a proxy that is started again: its client comes back to its kernel, variables and all.

use crate::programs::{Running, node_folder, output};
use crate::support::{Conf, Origin, Proxy, free_addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// It takes the packages of two registries, and its client waits for half a minute after a door that was
/// closed.
const PATIENCE: Duration = Duration::from_secs(180);

/// A folder with JupyterLab and its client, kept between runs.
fn installed() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("notebooks");
    if !folder.join("node_modules/@jupyterlab").exists() || !folder.join("bin/jupyter").exists() {
        output(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        output(Command::new(folder.join("bin/pip")).args(["install", "-q", "jupyterlab==4.*"]));
        output(Command::new("npm").arg("--prefix").arg(&folder).args([
            "install",
            "--no-audit",
            "@jupyterlab/services@7",
            "ws@8",
        ]));
    }
    std::fs::copy(node_folder().join("kernel.mjs"), folder.join("kernel.mjs"))
        .expect("the script is put beside its packages");
    folder
}

#[test]
#[ignore = "long: installs JupyterLab"]
fn jupyterlab_comes_back_to_its_kernel_when_the_proxy_is_started_again() {
    let folder = installed();
    let home = tempfile::tempdir().unwrap();
    let node = free_addr();
    let mut jupyter = Running::start(
        Command::new(folder.join("bin/jupyter"))
            .args([
                "lab",
                "--no-browser",
                "--allow-root",
                "--ip=127.0.0.1",
                "--IdentityProvider.token=t",
                "--ServerApp.allow_remote_access=True",
            ])
            .arg(format!("--port={}", node.port()))
            .env("HOME", home.path())
            .current_dir(home.path()),
    );
    jupyter.until_open(node);
    let conf = Conf::over(std::iter::empty::<&Origin>())
        .affinity(r#"{ cookie = "HOMING" }"#)
        .node("n1", &format!("\"http://{node}\""));
    let mut proxy = Proxy::start(&conf.text());
    let client = Running::start(
        Command::new("node").arg(folder.join("kernel.mjs")).args([&format!("http://{}/", proxy.addr), "t"]),
    );
    assert_eq!(client.line_within(PATIENCE, "there"), "there 41");
    proxy.signal("TERM");
    assert_eq!(proxy.exit(PATIENCE).code(), Some(0));
    proxy.start_again();
    assert_eq!(client.line_within(PATIENCE, "back"), "back 42");
}
