//! One shard of the users: supervises their actors and makes them on demand.
//!
//! Parent: the registry ([`crate::registry`]). Restart: by the registry, which starts an empty shard. A crash
//! stops the shard's users and loses their waiting calls (their callers are told); what was acknowledged is in the
//! store.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::directory::Seat;
use crate::failpoint::{failpoint, failpoints, handling};
use crate::registry::RuleBook;
use crate::user::{self, Context, UserActor};

#[derive(Clone)]
pub(crate) struct Args {
    pub(crate) rules: RuleBook,
    pub(crate) context: Arc<Context>,
}

#[derive(Debug)]
pub(crate) enum Msg {
    /// Makes the actor that will sit here.
    Start(Seat),
}

failpoints!("users", Msg: Start);

pub(crate) struct UsersActor;

impl Actor for UsersActor {
    type Msg = Msg;
    type State = Args;
    type Arguments = Args;

    async fn pre_start(
        &self,
        _myself: ActorRef<Msg>,
        args: Args,
    ) -> Result<Args, ActorProcessingErr> {
        failpoint!("users", "pre_start");
        Ok(args)
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        msg: Msg,
        state: &mut Args,
    ) -> Result<(), ActorProcessingErr> {
        handling!(&msg);
        let Msg::Start(seat) = msg;
        let args = user::Args {
            seat,
            rules: state.rules.clone(),
            context: state.context.clone(),
        };
        if let Err(error) = Actor::spawn_linked(None, UserActor, args, myself.get_cell())
            .await
            .map(drop)
        {
            tracing::error!(%error, "cannot start a user's actor");
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut Args,
    ) -> Result<(), ActorProcessingErr> {
        failpoint!("users", "supervision");
        match event {
            SupervisionEvent::ActorFailed(_, error) => {
                state.context.telemetry.actor_restarted("user");
                tracing::error!(%error, "a user's actor died; the next call has a new one made");
            }
            // Passivated; its state, and with it the seat, is dropped here.
            SupervisionEvent::ActorTerminated(..) => {}
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}
