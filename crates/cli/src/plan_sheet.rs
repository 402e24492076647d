//! A plan as a sheet for people: every isolation choice, one a line.

use cofferdam_confinement::Plan;

/// The sheet.
pub(crate) fn sheet(plan: &Plan) -> String {
    format!("container   {}\n", plan.container)
}
