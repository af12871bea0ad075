//! Where things are: the paths of version 1, as the server registers them and the client asks for them.
//!
//! `{name}` is one percent-encoded path segment.

/// `GET`: whether anybody is there. The only route that needs no permission.
pub const HEALTH: &str = "/health";
/// `GET`: the server at a glance.
pub const STATUS: &str = "/api/v1/status";
/// `GET`: the storage pool.
pub const POOL: &str = "/api/v1/pool";
/// `POST`: read everything in the pool back.
pub const POOL_VERIFY: &str = "/api/v1/pool/verify";
/// POST: [`crate::request::AddVolume`].
pub const POOL_VOLUMES: &str = "/api/v1/pool/volumes";
/// POST: drain it.
pub const POOL_VOLUME_DRAIN: &str = "/api/v1/pool/volumes/{name}/drain";
/// POST: [`crate::request::RemoveVolume`].
pub const POOL_VOLUME_REMOVE: &str = "/api/v1/pool/volumes/{name}/remove";
/// POST: [`crate::request::CollectGarbage`].
pub const POOL_GC: &str = "/api/v1/pool/gc";
/// `POST`: protect paths.
pub const PROTECT: &str = "/api/v1/protect";
/// `GET`: all sources.
pub const SOURCES: &str = "/api/v1/sources";
/// `GET`: one source.
pub const SOURCE: &str = "/api/v1/sources/{name}";
/// `POST`: synchronize a source.
pub const SOURCE_SYNC: &str = "/api/v1/sources/{name}/sync";
/// `GET`: its recovery points. `POST`: synchronize and make one.
pub const SOURCE_POINTS: &str = "/api/v1/sources/{name}/points";
/// `POST`: which of its recovery points is meant.
pub const SOURCE_POINT_CHOICE: &str = "/api/v1/sources/{name}/points/choice";
/// `POST`: consistency check of a source.
pub const SOURCE_CHECK: &str = "/api/v1/sources/{name}/check";
/// `POST`: take what is there now for a source, although it is on another file system.
pub const SOURCE_ACCEPT: &str = "/api/v1/sources/{name}/accept";
/// `GET`: all recovery points.
pub const POINTS: &str = "/api/v1/points";
/// `GET`: one recovery point. `DELETE`: delete it.
pub const POINT: &str = "/api/v1/points/{name}";
/// `PUT`: hold a recovery point. `DELETE`: let it go.
pub const POINT_HOLD: &str = "/api/v1/points/{name}/hold";
/// `POST`: look into a directory of a recovery point.
pub const POINT_BROWSE: &str = "/api/v1/points/{name}/browse";
/// `POST`: entries of a recovery point with everything that is known of them.
pub const POINT_ENTRIES: &str = "/api/v1/points/{name}/entries";
/// `POST`: bytes of a file in a recovery point, as they are.
pub const POINT_READ: &str = "/api/v1/points/{name}/read";
/// `POST`: where a file in a recovery point has data.
pub const POINT_RANGES: &str = "/api/v1/points/{name}/ranges";
/// `POST`: what another recovery point has differently.
pub const POINT_DIFF: &str = "/api/v1/points/{name}/diff";
/// `POST`: find entries by name in all recovery points.
pub const FIND: &str = "/api/v1/find";
/// `POST`: what a restore would do.
pub const RESTORE_PLAN: &str = "/api/v1/restores/plan";
/// `POST`: restore.
pub const RESTORES: &str = "/api/v1/restores";
/// `GET`: all groups. `POST`: make one.
pub const GROUPS: &str = "/api/v1/groups";
/// `GET`: one group. `PATCH`: change its policy.
pub const GROUP: &str = "/api/v1/groups/{name}";
/// `POST`: sources join.
pub const GROUP_MEMBERS: &str = "/api/v1/groups/{name}/members";
/// `POST`: sources leave.
pub const GROUP_MEMBERS_REMOVE: &str = "/api/v1/groups/{name}/members/remove";
/// `GET`: jobs.
pub const JOBS: &str = "/api/v1/jobs";
/// `GET`: one job.
pub const JOB: &str = "/api/v1/jobs/{name}";
/// `POST`: stop a job.
pub const JOB_CANCEL: &str = "/api/v1/jobs/{name}/cancel";

/// Returns `route` with `name` in place of `{name}`, percent-encoded.
pub fn fill(route: &str, name: &str) -> String {
    use std::fmt::Write;
    let encoded = name.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            // A dot too: a name that is `..` must not be folded into the path.
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
        out
    });
    route.replace("{name}", &encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment() {
        assert_eq!(
            fill(SOURCE_SYNC, "web01:files/srv/a b"),
            "/api/v1/sources/web01%3Afiles%2Fsrv%2Fa%20b/sync"
        );
        assert_eq!(fill(POINT, ".."), "/api/v1/points/%2E%2E");
    }
}
