-- Sessions of people: a grant for each side, which always ends by itself, and is forgotten a while after it ended.
set local lock_timeout = '5s';

alter table grants add constraint grants_sessions_end check (kind <> 'session' or expires_at is not null);
create index grants_sessions_by_end on grants (least(expires_at, revoked_at)) where kind = 'session';
