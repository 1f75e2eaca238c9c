//! Puts a runtime through everything that a plan says.

use std::{num::NonZeroU32, time::Duration};

use super::{
    BenchError, Grounds, Machine, Report, Task, Watch, Workload, burn_down::burn_down, latency::latency, rows::Rows,
    trial::trial,
};

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// With which tasks and events.
    pub workload: Workload,
    /// Tasks that wait in their queue. None: that is not measured.
    pub tasks: Option<u64>,
    /// Events that wait in their queue. None: that is not measured.
    pub events: Option<u64>,
    /// Rates at which single tasks are measured, a second. None: that is not measured.
    pub rates: Vec<NonZeroU32>,
    /// How long each rate is measured.
    pub measured: Duration,
}

/// Measures it all, one after the other, each on a runtime of its own. The grounds have to be entered; who drops this may leave
/// them at once.
///
/// # Errors
/// At the first measurement that can't be made.
pub async fn run(grounds: &Grounds, plan: &Plan, watch: &dyn Watch) -> Result<Report, BenchError> {
    let Plan { workload, .. } = plan;
    let machine = Machine::look(grounds.broker().as_ref(), grounds.database()?).await?;
    grounds.ensure_component(&workload.task_name).await?;
    watch.begin(&format!("one {}, to see that it completes", workload.task_name), 1);
    let idle = trial(grounds, workload).await;
    watch.end();
    let mut report = Report {
        machine,
        task: Task {
            name: workload.task_name.to_string(),
            payload_bytes: workload.payload.as_str().len(),
            with_ids: workload.with_ids,
        },
        idle_bytes: idle?,
        burn_down: None,
        latency: None,
        events: None,
    };
    if let Some(count) = plan.tasks {
        report.burn_down = Some(burn_down(grounds, workload, Rows::Tasks, count, watch).await?);
    }
    if !plan.rates.is_empty() {
        let mut rates = Vec::new();
        for rate in &plan.rates {
            rates.push(latency(grounds, workload, *rate, plan.measured, watch).await?);
        }
        report.latency = Some(rates);
    }
    if let Some(count) = plan.events {
        report.events = Some(burn_down(grounds, workload, Rows::Events, count, watch).await?);
    }
    Ok(report)
}
