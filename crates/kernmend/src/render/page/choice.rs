//! What was chosen, on the page: the ways that were weighed, why the others were not taken, and what was told to whoever
//! agreed.

use kernmend_core::document::plan::{Plan, Remark, Standing, Way};

use super::html::Html;
use crate::message::Messages;
use crate::render::plan::{remedy, words};

/// The ways out, the chosen one first, and the plan's remarks.
pub(super) fn choice(html: &mut Html, plan: &Plan, messages: Messages) {
    match &plan.remedy {
        Some(chosen) => html.leaf("p", &[], &remedy(chosen, messages)),
        None => html.leaf("p", &[], messages.proof_no_remedy()),
    }
    if !plan.remarks.is_empty() {
        list(html, "remarks", &plan.remarks, messages);
    }
    if plan.ways.is_empty() {
        return;
    }
    html.element("table", &[("class", "ways")], |html| {
        html.element("thead", &[], |html| {
            html.element("tr", &[], |html| {
                for head in
                    [messages.page_column_way(), messages.page_column_standing(), messages.page_column_why()]
                {
                    html.leaf("th", &[("scope", "col")], head);
                }
            });
        });
        for way in &plan.ways {
            let is_chosen = plan.remedy.as_ref() == Some(&way.remedy);
            html.element("tr", &[("class", if is_chosen { "chosen" } else { "" })], |html| {
                self::way(html, way, is_chosen, messages);
            });
        }
    });
}

fn way(html: &mut Html, way: &Way, is_chosen: bool, messages: Messages) {
    let (standing, why) = match &way.standing {
        _ if is_chosen => (messages.plan_chosen(), None),
        Standing::Open => (messages.page_way_open(), None),
        Standing::ByHand { .. } => (messages.plan_by_hand(), None),
        Standing::Out { why } => (messages.plan_out(), Some(why)),
    };
    html.leaf("th", &[("scope", "row")], &remedy(&way.remedy, messages));
    html.leaf("td", &[], standing);
    html.element("td", &[], |html| match why {
        Some(why) => list(html, "", why, messages),
        None => {
            let remarks: Vec<Remark> = way.rests_on.iter().chain(&way.side_effects).cloned().collect();
            list(html, "", &remarks, messages);
        }
    });
}

fn list(html: &mut Html, class: &'static str, remarks: &[Remark], messages: Messages) {
    html.element("ul", &[("class", class)], |html| {
        for remark in remarks {
            html.leaf("li", &[], &words(remark, messages));
        }
    });
}
