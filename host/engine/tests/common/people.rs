//! What happens to people, and what follows from it.

use super::{World, by};
use gatehouse_core::ports::Clock as _;
use gatehouse_core::{Request, User};
use gatehouse_engine::events::{Apps, Cause, decide_for_user};

impl World {
    /// Changes a user, and opens what follows from it; all that is changed by that.
    pub async fn happens(&self, user: &User, change: impl FnOnce(&mut User)) -> Vec<Request> {
        self.happens_held(user, change, None).await
    }

    /// As [`Self::happens`], held by the guard for this reason.
    pub async fn happens_held(&self, user: &User, change: impl FnOnce(&mut User), held: Option<&str>) -> Vec<Request> {
        let store = self.store.as_ref();
        let before = store.user(user.id).await.unwrap().unwrap();
        self.change_user(user.id, change).await;
        let after = store.user(user.id).await.unwrap().unwrap();
        let apps = Apps::all(store).await.unwrap();
        let now = self.clock.now();
        let cause = Cause { by: by(), user: None, correlation: None, job: None, consented: false, now };
        let mut raised = Vec::new();
        for decided in decide_for_user(store, &apps, Some(&before), &after, false).await.unwrap() {
            let followed = decided.open(store, &cause, held).await.unwrap();
            raised.extend(followed.requests().cloned());
            self.commit(followed.changes).await;
        }
        raised
    }
}
