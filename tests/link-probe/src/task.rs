//! Every call of a task, of what it is made from and of what it gives out.

use sortie_core::{
    ByteCounts, Inspection, Instant, Progress, Receive, RedirectPolicy, Rewrite, Task, TaskOptions,
    next,
};

use crate::{Arguments, call};

pub(crate) fn calls(with: &mut Arguments<'_>) {
    commands(with);
    connection(with);
    exchange(with);
    decisions(with);
    end(with);
    getters(with);
    counts(with);
}

fn commands(with: &mut Arguments<'_>) {
    call!(with, with.options = TaskOptions::default());
    call!(with, with.policy = RedirectPolicy::default());
    call!(with, with.task = Task::new(&with.request, with.options));
    call!(with, Task::resume(&mut with.task, with.now));
    call!(with, Task::suspend(&mut with.task));
    call!(with, Task::cancel(&mut with.task));
    call!(with, Task::set_earliest_begin(&mut with.task, with.now));
    call!(with, Task::set_resuming(&mut with.task, with.flag));
    call!(with, Task::poll_output(&mut with.task));
    call!(with, next(with.state, with.trigger));
}

fn connection(with: &mut Arguments<'_>) {
    call!(with, Task::handle_connecting(&mut with.task, with.now));
    call!(with, Task::handle_connected(&mut with.task, with.now, with.flag));
    call!(with, Task::handle_connect_postponed(&mut with.task));
    call!(with, Task::handle_connect_failed(&mut with.task, with.transport));
    call!(with, Task::handle_prepared(&mut with.task, with.now));
}

fn exchange(with: &mut Arguments<'_>) {
    call!(with, Task::encode(&mut with.task, &with.request_head, with.bytes));
    call!(with, Task::encode_behind(&mut with.task, with.bytes));
    call!(with, Task::handle_sent(&mut with.task, with.now, with.size));
    call!(with, Task::handle_source(&mut with.task, with.now, with.size));
    call!(with, Task::head_needs(&with.task));
    call!(with, Task::failure(&with.task));
    call!(with, Task::handle_head(&mut with.task, with.now, with.bytes, with.flag, with.index));
    call!(with, Task::handle_body(&mut with.task, with.now, with.bytes));
    call!(with, Task::handle_run(&mut with.task, with.now, with.input));
    call!(with, Task::handle_end(&mut with.task));
    call!(with, Task::handle_broken(&mut with.task, with.broken));
}

fn decisions(with: &mut Arguments<'_>) {
    call!(with, "Task::inspect", {
        let lent = Inspection {
            head: with.response_head,
            target: with.url,
            next: with.bytes,
            resume: with.flag.then_some(with.resume_data.resumption()),
        };
        Task::inspect(&mut with.task, with.now, lent)
    });
    call!(with, Task::answer(&mut with.task, with.now, with.token, with.answer));
    call!(with, Task::pending_question(&with.task));
    call!(with, with.rewrite = Task::rewrite(&with.task));
    call!(with, Rewrite::keeps(with.rewrite, &with.field));
}

fn end(with: &mut Arguments<'_>) {
    call!(with, Task::handle_delivered(&mut with.task, with.now, with.count));
    call!(with, Task::handle_committed(&mut with.task));
    call!(with, Task::handle_sink_failed(&mut with.task, with.limit));
    call!(with, Task::handle_source_failed(&mut with.task));
    call!(with, Task::handle_upgraded_end(&mut with.task, with.result));
    call!(with, Task::handle_timeout(&mut with.task, with.now));
}

fn getters(with: &mut Arguments<'_>) {
    call!(with, Task::state(&with.task));
    call!(with, Task::kind(&with.task));
    call!(with, Task::is_new(&with.task));
    call!(with, Task::earliest_begin(&with.task));
    call!(with, Task::redirect_count(&with.task));
    call!(with, Task::sends_range(&with.task));
    call!(with, Task::can_be_resumed(&with.task));
    call!(with, Task::survives_stale(&with.task));
    call!(with, Task::counts(&with.task));
    call!(with, Task::progress(&with.task));
    call!(with, Task::deadline(&with.task));
    call!(with, Task::resource_deadline(&with.task));
    call!(with, Task::io(&with.task, with.size));
    call!(with, "Receive::reads", {
        let receive = Task::io(&with.task, with.size).receive;
        receive.map_or(0, |receive| Receive::reads(receive, with.size))
    });
    call!(with, Task::still(&with.task, with.output));
}

fn counts(with: &mut Arguments<'_>) {
    call!(with, ByteCounts::url_session(&with.counts));
    call!(with, ByteCounts::send_progress(&with.counts));
    call!(with, ByteCounts::receive_progress(&with.counts));
    call!(with, ByteCounts::progress(&with.counts));
    call!(with, ByteCounts::ended(&with.counts));
    call!(with, Progress::is_indeterminate(&with.progress));
    call!(with, Progress::fraction(&with.progress));
    call!(with, Progress::left(&with.progress));
    call!(with, with.now = Instant::from_micros(with.count));
    call!(with, Instant::as_micros(with.now));
    call!(with, Instant::after(with.now, with.count));
    call!(with, Instant::until(with.now, Instant::from_micros(with.count)));
}
