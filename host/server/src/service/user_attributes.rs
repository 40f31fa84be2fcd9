//! Definitions of users' free attributes. One is added or made stricter only if it fits what everybody has, which is
//! looked at page by page; from then on whoever writes users keeps to it.

use super::users::free_name;
use super::{Answer, Caller, Paging, ServiceError, Services, lists::Place, named};
use crate::wire::{ByName, NewUserAttribute, Page, UserAttributeChange, UserAttributeView};
use gatehouse_core::ports::{ChangeSet, Versioned};
use gatehouse_core::{AuditRecord, UserAttribute};

/// Users looked at in one step.
const STEP: usize = 1000;

/// Users who are named where a definition does not fit them.
const NAMED: usize = 10;

impl Services {
    /// All definitions, by name.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn list_user_attributes(&self, paging: &Paging<ByName>) -> Result<Page<UserAttributeView>, ServiceError> {
        let all = self.store.user_attributes().await?.iter().map(UserAttributeView::from).collect();
        paging.cut(all, |attribute: &UserAttributeView, _| Place::named(&attribute.name))
    }

    /// The definition of an attribute.
    ///
    /// # Errors
    /// Nobody has defined it.
    pub async fn find_user_attribute(&self, name: &str) -> Result<UserAttribute, ServiceError> {
        let all = self.store.user_attributes().await?;
        if let Some(found) = all.iter().find(|attribute| attribute.name == name) {
            return Ok(found.clone());
        }
        let names = all.iter().map(|attribute| attribute.name.as_str());
        Err(ServiceError::NotFound(named::unknown("definition of attribute", "user-attribute", name, names)))
    }

    /// Defines an attribute.
    ///
    /// # Errors
    /// It is defined already, the name is none, or it does not fit what somebody has.
    pub async fn create_user_attribute(&self, caller: &Caller, new: NewUserAttribute) -> Result<Answer, ServiceError> {
        let _alone = self.people.write().await;
        free_name(&new.name).map_err(|why| ServiceError::invalid("name", why))?;
        if self.store.user_attributes().await?.iter().any(|attribute| attribute.name == new.name) {
            return Err(ServiceError::Conflict(format!("attribute `{}` is defined already", new.name)));
        }
        let attribute = UserAttribute {
            name: new.name,
            description: new.description,
            kind: new.kind,
            multi_valued: new.multi_valued,
            required: new.required,
            sensitive: new.sensitive,
            version: 1,
        };
        self.fits_everybody(&attribute).await?;
        let location = format!("/api/v1/user-attributes/{}", named::segment(&attribute.name));
        let answer = Answer::created(location, 1, &UserAttributeView::from(&attribute));
        let mut changes = ChangeSet {
            audit: vec![self.definition_audit(caller, "user_attribute.create", (None, Some(&attribute)))],
            user_attributes: vec![Versioned::new(attribute)],
            ..ChangeSet::default()
        };
        caller.remember(&mut changes, &answer);
        self.store.commit(changes).await?;
        Ok(answer)
    }

    /// Changes a definition, but not the type.
    ///
    /// # Errors
    /// Nobody has defined it, it has changed meanwhile, or it would not fit what somebody has.
    pub async fn change_user_attribute(
        &self,
        caller: &Caller,
        name: &str,
        change: UserAttributeChange,
    ) -> Result<Answer, ServiceError> {
        let _alone = self.people.write().await;
        let before = self.find_user_attribute(name).await?;
        caller.has_seen(format!("attribute `{name}`"), before.version)?;
        let mut attribute = before.clone();
        attribute.description = change.description.unwrap_or(attribute.description);
        attribute.multi_valued = change.multi_valued.unwrap_or(attribute.multi_valued);
        attribute.required = change.required.unwrap_or(attribute.required);
        attribute.sensitive = change.sensitive.unwrap_or(attribute.sensitive);
        if attribute == before {
            return Ok(Answer::done(attribute.version, &UserAttributeView::from(&attribute)));
        }
        let stricter = (before.multi_valued && !attribute.multi_valued) || (!before.required && attribute.required);
        if stricter {
            self.fits_everybody(&attribute).await?;
        }
        attribute.version += 1;
        let answer = Answer::done(attribute.version, &UserAttributeView::from(&attribute));
        let record = self.definition_audit(caller, "user_attribute.change", (Some(&before), Some(&attribute)));
        let mut changes = ChangeSet {
            audit: vec![record],
            user_attributes: vec![Versioned::replacing(before.version, attribute)],
            ..ChangeSet::default()
        };
        caller.remember(&mut changes, &answer);
        self.store.commit(changes).await?;
        Ok(answer)
    }

    /// Removes a definition. What users have of the attribute stays, as free texts.
    ///
    /// # Errors
    /// Nobody has defined it, or it has changed meanwhile.
    pub async fn delete_user_attribute(&self, caller: &Caller, name: &str) -> Result<(), ServiceError> {
        let _alone = self.people.write().await;
        let attribute = self.find_user_attribute(name).await?;
        caller.has_seen(format!("attribute `{name}`"), attribute.version)?;
        let changes = ChangeSet {
            audit: vec![self.definition_audit(caller, "user_attribute.delete", (Some(&attribute), None))],
            remove_user_attributes: vec![attribute.name],
            ..ChangeSet::default()
        };
        Ok(self.store.commit(changes).await?)
    }

    fn definition_audit(
        &self,
        caller: &Caller,
        action: &str,
        (before, after): (Option<&UserAttribute>, Option<&UserAttribute>),
    ) -> AuditRecord {
        let name = after.or(before).map_or("", |attribute| &attribute.name);
        self.audit(caller, action, format!("attribute {name}")).changing(before, after)
    }

    /// Looks at everybody, a page at a time. Whoever would write users meanwhile waits.
    async fn fits_everybody(&self, attribute: &UserAttribute) -> Result<(), ServiceError> {
        let (mut misfits, mut more, mut after) = (Vec::new(), 0_u64, None);
        loop {
            let page = self.store.users(after.as_deref(), STEP).await?;
            for user in &page.items {
                let Some(why) = attribute.misfit(user.attributes.get(&attribute.name)) else { continue };
                // What a sensitive attribute holds is nobody's business.
                let why = if attribute.sensitive { "has something that does not fit".to_owned() } else { why };
                if misfits.len() < NAMED {
                    misfits.push(format!("user `{}` {why}", user.username));
                } else {
                    more += 1;
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if misfits.is_empty() {
            return Ok(());
        }
        if more > 0 {
            misfits.push(format!("and so are {more} more"));
        }
        let text = format!(
            "attribute `{}` cannot be defined so before these users are changed: {}",
            attribute.name,
            misfits.join("; ")
        );
        Err(ServiceError::Conflict(text))
    }
}
