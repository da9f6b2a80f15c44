//! Makes sure that the directory which is embedded exists: the hub builds without Node, and then says what is missing.

use std::path::Path;

/// Shown in place of a dashboard that was not built.
const PLACEHOLDER: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Penstock</title>\n\
     <p>This hub was built without its dashboard. Run <code>npm ci &amp;&amp; npm run build</code> in\n\
     <code>hub/dashboard</code> and build the hub again. The API is at <a href=\"/api/v1/openapi.json\">/api/v1</a>.\n";

fn main() -> std::io::Result<()> {
    let dist = Path::new("dashboard/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    let page = dist.join("index.html");
    if !page.exists() {
        std::fs::create_dir_all(dist)?;
        std::fs::write(page, PLACEHOLDER)?;
    }
    Ok(())
}
