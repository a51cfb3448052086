//! The page for a change board in a real browser, headless and without a network: it opens without a word on the console,
//! asks for nothing, isn't blank, and what a machine says is text in it. Screenshots and prints are kept beside the build,
//! in `target/tmp/page`, for people to look at.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lab::kernmend;

/// A proof as `kernmend verify` makes it; the program's own tests hold it.
const PROOF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../kernmend/tests/proof/proof.json");

/// Pixels of a screenshot.
const SIZE: (u32, u32) = (1_100, 3_600);

/// Where what people look at is kept.
fn kept(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

/// Writes the page of a document.
fn page(document: &Path, language: &str, name: &str) -> PathBuf {
    let html = kept(name);
    let arguments =
        ["report", document.to_str().unwrap(), "--lang", language, "--html", html.to_str().unwrap()];
    let output = kernmend::command(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    html
}

/// Opens a page; no name leads anywhere, and whatever the console says is on standard error.
fn browse(page: &Path, act: &str) -> Output {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new("timeout")
        .args(["300", "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
        .args(["--disable-background-networking", "--disable-component-update", "--no-first-run"])
        .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--v=0"])
        .args(["--no-pdf-header-footer", &format!("--window-size={},{}", SIZE.0, SIZE.1)])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(act)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "chromium {act}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// What the console says. A request that the page's policy forbids, or that fails, is a line of it.
fn console(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect()
}

/// The document as the browser has understood it.
fn dom(page: &Path) -> String {
    let output = browse(page, "--dump-dom");
    assert_eq!(console(&output), Vec::<String>::new());
    String::from_utf8(output.stdout).unwrap()
}

/// Takes a screenshot, whose size is checked; its length in bytes.
fn screenshot(page: &Path, name: &str) -> usize {
    let path = kept(name);
    browse(page, &format!("--screenshot={}", path.display()));
    let png = fs::read(&path).unwrap();
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert_eq!((&png[1..4], number(16), number(20)), (&b"PNG"[..], SIZE.0, SIZE.1));
    png.len()
}

#[test]
fn the_page_opens_without_a_word_and_is_not_blank() {
    let empty = kept("empty.html");
    fs::write(&empty, "<!DOCTYPE html><title>empty</title>").unwrap();
    let blank = screenshot(&empty, "empty.png");
    for (language, said) in [("en", "PROVEN"), ("zh", "已证明")] {
        let page = page(Path::new(PROOF), language, &format!("proof.{language}.html"));
        let dom = dom(&page);
        assert!(dom.contains(said) && dom.contains("KM-0001") && dom.contains("<svg"), "{dom}");
        let shown = screenshot(&page, &format!("proof.{language}.png"));
        assert!(shown > 10 * blank, "{shown} bytes, and {blank} of an empty page");
        let print = kept(&format!("proof.{language}.pdf"));
        browse(&page, &format!("--print-to-pdf={}", print.display()));
        assert!(fs::read(&print).unwrap().starts_with(b"%PDF-"));
    }
}

#[test]
fn a_page_that_asks_for_something_would_be_seen() {
    let asking = kept("asking.html");
    let own = fs::read_to_string(page(Path::new(PROOF), "en", "asked.html")).unwrap();
    let asked = own.replacen("<main>", "<main><img src=\"http://kernmend.invalid/a.png\">", 1);
    fs::write(&asking, asked).unwrap();
    let said = console(&browse(&asking, "--dump-dom"));
    assert!(said.iter().any(|line| line.contains("kernmend.invalid")), "{said:?}");
}

#[test]
fn what_a_machine_says_is_text_to_a_browser() {
    let hostile = "</td></table><script>document.title='taken'</script><img src=x onerror=alert(1)>\
                   <iframe src=http://kernmend.invalid></iframe><!-- \" ' \u{1b}[2J \u{202e}";
    let proof = fs::read_to_string(PROOF).unwrap();
    let hostile = serde_json::to_string(hostile).unwrap();
    let hostile = proof.replace("\"k8s-node-14\"", &hostile).replace("\"kubelet.service\"", &hostile);
    let document = kept("hostile.json");
    fs::write(&document, hostile).unwrap();
    let dom = dom(&page(&document, "en", "hostile.html"));
    for element in ["<script", "<img", "<iframe", "<!--", "<title>taken"] {
        assert!(!dom.contains(element), "{element}");
    }
    assert!(dom.contains("&lt;script&gt;document.title"), "{dom}");
}
