//! A queue that takes messages and does not confirm them: its process at RabbitMQ is suspended.

use crate::vhost::{Vhost, rabbitmqctl};

/// A classic queue whose process stands still, until this is dropped.
pub struct Suspended {
    vhost: String,
    queue: &'static str,
}

impl Suspended {
    pub fn new(vhost: &Vhost, queue: &'static str) -> Self {
        let suspended = Self { vhost: vhost.name.clone(), queue };
        rabbitmqctl(&["eval", &suspended.tell("suspend")]);
        suspended
    }

    fn tell(&self, what: &str) -> String {
        let Self { vhost, queue } = self;
        format!(
            "{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<\"{vhost}\">>, queue, <<\"{queue}\">>)), \
             sys:{what}(amqqueue:get_pid(Q))."
        )
    }
}

impl Drop for Suspended {
    fn drop(&mut self) {
        // If that fails the virtual host takes it along.
        let _ = std::process::Command::new("rabbitmqctl").args(["eval", &self.tell("resume")]).output();
    }
}
