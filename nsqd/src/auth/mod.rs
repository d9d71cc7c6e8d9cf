//! AUTH: what authorization servers say that a client may do.

mod authorizer;
mod grant;
mod query;

pub(crate) use self::{
    authorizer::{Answer, Authorizer, Pending, Question},
    grant::Grant,
};
