//! `schema`: the JSON schema of a document, generated from its type.

use std::process::ExitCode;

use kernmend_core::boot::reading::Boot;
use kernmend_core::document::build::Build;
use kernmend_core::document::bundle::Bundle;
use kernmend_core::document::kernels::Kernels;
use kernmend_core::document::news::News;
use kernmend_core::document::plan::Plan;
use kernmend_core::document::proof::Proof;
use kernmend_core::document::report::Report;
use kernmend_core::document::signals::Signals;
use kernmend_core::document::snapshot::Snapshot;
use kernmend_core::document::{Document, schema};

use super::print;
use crate::failure::Failure;
use crate::message::Messages;

pub(crate) fn run(name: &str, messages: Messages) -> Result<ExitCode, Failure> {
    let schema = match name {
        "boot" => schema::<Document<Boot>>(),
        "build" => schema::<Document<Build>>(),
        "bundle" => schema::<Document<Bundle>>(),
        "snapshot" => schema::<Document<Snapshot>>(),
        "plan" => schema::<Document<Plan>>(),
        "proof" => schema::<Document<Proof>>(),
        "kernels" => schema::<Document<Kernels>>(),
        "news" => schema::<Document<News>>(),
        "signals" => schema::<Document<Signals>>(),
        _ => schema::<Document<Report>>(),
    };
    print(&schema, messages)?;
    Ok(ExitCode::SUCCESS)
}
