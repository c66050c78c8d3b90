-- The C declarations of the HTTP room and the host for LuaJIT. Made by scripts/gen_host_cdef.lua
-- from headers of core/http and core/host: do not edit; change the header and run
-- scripts/gen_host_cdef.lua. Types are declared once per process.
local ffi = require "ffi"
require "kv.cdef"

-- An unknown struct has no size; asking does no harm.
local function is_known(name)
  local is_ok, size = pcall(ffi.sizeof, name)
  return is_ok and size ~= nil
end

if not is_known("struct http_limits") then
  ffi.cdef [[
struct http_limits {
    uint32_t request_line_bytes_max;
    uint32_t header_line_bytes_max;
    uint32_t headers_bytes_max;
    uint32_t headers_count_max;
    uint32_t query_params_max;
    uint32_t body_bytes_max;
    uint32_t chunk_extension_bytes_max;
    uint32_t pipeline_max;
    uint32_t requests_per_connection_max;
    uint32_t connections_max;
    uint32_t connections_per_ip_max;
    uint32_t handshake_ms;
    uint32_t header_ms;
    uint32_t body_ms;
    uint32_t body_rate_min;
    uint32_t write_stall_ms;
    uint32_t write_rate_min;
    uint32_t idle_ms;
    uint32_t linger_ms;
    uint32_t output_high_bytes;
    uint32_t output_low_bytes;
    uint32_t stream_piece_bytes;
    uint32_t buffers_bytes_max;
};
void http_limits_init(struct http_limits *limits);
const char *http_limit_name(int index);
const char *http_limit_meaning(int index);
uint32_t http_limit_value(const struct http_limits *limits, int index);
]]
end

if not is_known("struct http_tls_options") then
  ffi.cdef [[
struct http_tls;
struct http_tls_options {
    size_t struct_size;
    const char *certificate;
    const char *key;
    const char *client_ca;
};
void http_tls_options_init(struct http_tls_options *options);
int http_tls_open(const struct http_tls_options *options,
    struct http_tls **out,
    struct loam_error *err);
int http_tls_reload(struct http_tls *tls, struct loam_error *err);
double http_tls_expires(struct http_tls *tls);
void http_tls_close(struct http_tls *tls);
]]
end

if not is_known("struct http_request") then
  ffi.cdef [[
enum {
    HTTP_GET = 1,
    HTTP_HEAD = 2,
    HTTP_POST = 3,
    HTTP_PUT = 4,
    HTTP_DELETE = 5,
    HTTP_OPTIONS = 6,
    HTTP_PATCH = 7,
};
struct http_field {
    uint32_t name_at;
    uint32_t name_size;
    uint32_t value_at;
    uint32_t value_size;
};
enum {
    HTTP_SEEN_ORIGIN = 1,
    HTTP_SEEN_CONTENT_TYPE = 2,
    HTTP_SEEN_CONDITION = 4,
};
struct http_request {
    uint32_t generation;
    int method;
    int version_minor;
    int keep_alive;
    int is_complete;
    int expects_continue;
    int listener;
    uint32_t slot;
    const char *head;
    const char *target;
    const char *path;
    const char *query;
    const char *body;
    const char *host;
    const struct http_field *fields;
    uint32_t target_size;
    uint32_t path_size;
    uint32_t query_size;
    uint32_t body_size;
    uint32_t host_size;
    uint32_t field_count;
    uint32_t seen;
    uint32_t has_query;
    double body_expected;
    double serial;
};
int http_request_header(const struct http_request *request,
    uint32_t generation,
    const char *name,
    size_t name_size,
    const char **value,
    size_t *value_size);
int http_request_id(const struct http_request *request,
    uint32_t generation,
    char *text,
    size_t size);
int http_request_peer(const struct http_request *request,
    uint32_t generation,
    char *text,
    size_t size);
int http_request_buffer(struct http_request *request, uint32_t generation, double body_max);
void http_request_limit_name(struct http_request *request, uint32_t generation, const char *name);
int http_request_stream(struct http_request *request, uint32_t generation, double body_max);
int http_request_consume(struct http_request *request, uint32_t generation);
void http_request_drop_body(struct http_request *request, uint32_t generation);
int http_request_release(struct http_request *request, uint32_t generation);
]]
end

if not is_known("struct http_tls_trust") then
  ffi.cdef [[
struct http_tls_link;
struct http_tls_trust {
    const char *ca;
    int is_blind;
};
int http_tls_link_open(int fd,
    const char *host,
    const struct http_tls_trust *trust,
    struct http_tls_link **out,
    struct loam_error *err);
void http_tls_link_patience(struct http_tls_link *link, int timeout_ms);
int http_tls_link_read(struct http_tls_link *link, char *data, int size, struct loam_error *err);
int http_tls_link_write(struct http_tls_link *link,
    const char *data,
    size_t size,
    struct loam_error *err);
int http_tls_link_is_idle(struct http_tls_link *link);
void http_tls_link_close(struct http_tls_link *link);
]]
end

if not is_known("struct http_event") then
  ffi.cdef [[
struct http_worker;
enum {
    HTTP_EVENT_REQUEST = 1,
    HTTP_EVENT_HEAD = 2,
    HTTP_EVENT_BODY = 3,
    HTTP_EVENT_WRITABLE = 4,
    HTTP_EVENT_CLOSED = 5,
    HTTP_EVENT_TIMER = 6,
    HTTP_EVENT_FD = 7,
    HTTP_EVENT_WAKE = 8,
    HTTP_EVENT_DRAINED = 9,
};
struct http_event {
    int type;
    uint32_t generation;
    struct http_request *request;
    const char *data;
    uint32_t size;
    int is_last;
    double id;
};
int http_poll(struct http_worker *worker, int timeout_ms, struct http_event *events, int capacity);
int http_respond(struct http_request *request,
    uint32_t generation,
    int status,
    const char *headers,
    size_t headers_size,
    const char *body,
    size_t body_size);
int http_respond_begin(struct http_request *request,
    uint32_t generation,
    int status,
    const char *headers,
    size_t headers_size,
    double content_length);
int http_respond_write(struct http_request *request,
    uint32_t generation,
    const char *data,
    size_t size);
char *http_respond_reserve(struct http_request *request, uint32_t generation, size_t size);
int http_respond_end(struct http_request *request, uint32_t generation);
int http_respond_abort(struct http_request *request, uint32_t generation);
int http_respond_close(struct http_request *request, uint32_t generation);
int http_header_add(char *text,
    size_t used,
    size_t capacity,
    const char *name,
    size_t name_size,
    const char *value,
    size_t value_size);
const char *http_status_text(int status);
struct http_worker_options {
    size_t struct_size;
    const char *address;
    int backlog;
    int reuse_port;
    struct http_tls *tls;
    struct http_worker *gate_of;
    struct http_limits limits;
};
struct http_counters {
    double accepted;
    double active;
    double requests;
    double in_flight;
    double responses;
    double bytes_in;
    double bytes_out;
    double refused_connections_max;
    double refused_connections_per_ip;
    double refused_descriptors;
    double refused_malformed;
    double refused_limits;
    double refused_handshakes;
    double handshakes;
    double truncated;
    double timeouts_handshake;
    double timeouts_header;
    double timeouts_body;
    double timeouts_write;
    double timeouts_idle;
    double refused_memory;
    double resets;
    double drained;
};
void http_worker_options_init(struct http_worker_options *options);
int http_worker_open(const struct http_worker_options *options,
    struct http_worker **out,
    struct loam_error *err);
void http_worker_close(struct http_worker *worker);
int http_worker_listen(struct http_worker *worker, const char *address, struct loam_error *err);
int http_worker_listen_tls(struct http_worker *worker,
    const char *address,
    struct http_tls *tls,
    struct loam_error *err);
int http_worker_port(const struct http_worker *worker);
void http_worker_wake(struct http_worker *worker);
int http_worker_drain(struct http_worker *worker, int deadline_ms);
const struct http_counters *http_worker_counters(const struct http_worker *worker);
const char *http_worker_prefix(const struct http_worker *worker);
enum { HTTP_REFUSALS_KEPT = 32 };
struct http_refused {
    double serial;
    int status;
    const char *reason;
    char peer[64];
};
int http_worker_refused(struct http_worker *worker, struct http_refused *out);
double http_timer_start(struct http_worker *worker, int delay_ms);
int http_timer_stop(struct http_worker *worker, double id);
int http_fd_add(struct http_worker *worker, int fd, double id);
int http_fd_remove(struct http_worker *worker, int fd);
int http_percent_decode(const char *text, size_t size, char *out);
int http_query_find(const char *query,
    size_t query_size,
    const char *name,
    size_t name_size,
    const char **value,
    size_t *value_size);
int http_query_next(const char *query,
    size_t query_size,
    size_t *at,
    struct loam_slice *name,
    struct loam_slice *value);
]]
end

if not is_known("struct host_task") then
  ffi.cdef [[
struct host;
struct host_worker;
struct host_shared {
    uint32_t bucket_epoch;
    uint32_t reload_count;
    uint32_t token_epoch;
    int32_t stop_ms;
    uint32_t worker_count;
    int32_t log_level;
    uint32_t question_count;
    double started_at_ms;
};
int host_open(int worker_count, struct host **out, struct loam_error *err);
void host_close(struct host *host);
const struct host_shared *host_shared(const struct host *host);
void host_stop(struct host *host, int deadline_ms);
void host_reload(struct host *host);
void host_log_level_set(struct host *host, int level);
void host_buckets_changed(struct host *host);
void host_tokens_changed(struct host *host);
void host_signals_block(void);
void host_descriptors_raise(void);
int host_signal_wait(struct host *host, int timeout_ms);
enum { HOST_SIGNAL_WORKER = 1000 };
double host_file_mtime(const char *path);
int host_is_directory(const char *path);
int host_make_directory(const char *path, struct loam_error *err);
int host_cpu_count(void);
double host_now_ms(void);
double host_monotonic_ms(void);
int host_worker_add(struct host *host, struct http_worker *http);
int host_worker_start(struct host *host,
    int index,
    loam_db *db,
    const char *config,
    size_t config_size,
    struct loam_error *err);
int host_worker_wait(struct host *host, int index, struct loam_error *err);
int host_end_wait(struct host *host, int timeout_ms);
int host_join(struct host *host);
void host_exit(int code);
struct host *host_worker_host(struct host_worker *worker);
struct http_worker *host_worker_http(struct host_worker *worker);
loam_db *host_worker_db(struct host_worker *worker);
int host_worker_index(const struct host_worker *worker);
const char *host_worker_config(const struct host_worker *worker, size_t *size);
void host_worker_ready(struct host_worker *worker);
struct host_turn {
    double since_ms;
    double step;
    double step_ms;
    double ended;
    double serial;
    uint32_t size;
    char what[100];
};
struct host_turn *host_turn(struct host *host, int index);
void host_interrupt(struct host *host, int index, double step);
const char *host_worker_prefix(const struct host *host, int index);
const struct http_counters *host_http_counters(const struct host *host, int index);
int host_metric_slot(struct host *host, const char *key, size_t key_size, int width);
double *host_metric_row(struct host *host, int index);
int host_metric_count(struct host *host);
const char *host_metric_get(struct host *host, int at, size_t *key_size, int *slot, int *width);
double host_metric_sum(struct host *host, int slot);
double host_board_ask(struct host *host, const char *text, size_t size);
int host_board_answer(struct host *host, int worker, double number, const char *text, size_t size);
double host_board_read(struct host *host, int place, loam_buffer *out);
enum {
    HOST_TASK_FLUSH = 1,
    HOST_TASK_SYNC = 2,
    HOST_TASK_BUCKET_OPEN = 3,
    HOST_TASK_BUCKET_DROP = 4,
    HOST_TASK_CONTENT_TYPE = 5,
    HOST_TASK_COMPACT = 6,
};
struct host_task {
    int kind;
    double tag;
    char name[160];
    size_t name_size;
    struct loam_bucket_options bucket_options;
    int code;
    uint32_t content_type;
    uint64_t job;
    struct loam_bucket_info bucket;
    struct loam_error error;
};
int host_task_submit(struct host_worker *worker,
    const struct host_task *task,
    struct loam_error *err);
void host_task_run(loam_db *db, struct host_task *task);
int host_task_take(struct host_worker *worker, struct host_task *out);
enum { HOST_PUT_GROUP_MAX = 256 };
struct host_put_group {
    loam_batch *batch;
    struct http_request *requests[HOST_PUT_GROUP_MAX];
    uint32_t generations[HOST_PUT_GROUP_MAX];
    uint32_t count;
    uint32_t index;
    struct host_put_group *next_free;
};
struct host_puts {
    loam_completions *queue;
    int durability;
    uint32_t deadline_ms;
    double tag_base;
    size_t key_bytes_max;
    size_t value_bytes_max;
    size_t group_bytes_max;
    const char *type_name;
    size_t type_size;
    uint32_t content_type;
    double *created;
    double *replaced;
    uint32_t waiting;
    uint32_t bucket;
    int open_durability;
    size_t open_bytes;
    struct host_put_group *open;
    uint32_t pending;
    uint32_t group_count;
    uint32_t group_capacity;
    struct host_put_group **groups;
    struct host_put_group *free;
};
enum {
    HOST_PUT_TAKEN = 1,
    HOST_PUT_FLUSH = 2,
    HOST_PUT_OTHER = 3,
};
int host_puts_open(struct host_puts *puts, struct loam_error *err);
void host_puts_close(struct host_puts *puts);
int host_puts_add(struct host_puts *puts,
    struct http_request *request,
    uint32_t bucket,
    const char *raw,
    size_t raw_size);
int host_puts_flush(struct host_puts *puts, uint32_t *stall_ms, struct loam_error *err);
int host_puts_finish(struct host_puts *puts, uint32_t index, const loam_completion *completion);
void host_puts_recycle(struct host_puts *puts, uint32_t index);
double host_crc32(const void *data, size_t size);
]]
end

if not is_known("struct host_sending") then
  ffi.cdef [[
enum {
    HOST_ETAG_SEQ = 0,
    HOST_ETAG_CRC = 1,
};
struct host_sending {
    int is_encoded;
    int etag;
    size_t size;
};
int host_send_value(struct http_request *request,
    loam_db *db,
    uint32_t bucket,
    const char *key,
    size_t key_size,
    struct host_sending *sending,
    struct loam_error *err);
int host_admit(const struct http_request *request, const char *names, size_t names_size);
]]
end

if not is_known("enum host_rows_flag") then
  ffi.cdef [[
int host_is_utf8(const char *data, size_t size);
const char *host_json_problem(const char *text, size_t size, double *at);
int host_json_string(loam_buffer *out, const char *data, size_t size);
int host_base64url(loam_buffer *out, const char *data, size_t size);
int host_base64url_decode(const char *data, size_t size, char *out);
enum host_rows_flag {
    HOST_ROWS_KEYS_ONLY = 1,
    HOST_ROWS_BASE64 = 2,
    HOST_ROWS_LIST = 4,
    HOST_ROWS_FIRST = 8,
    HOST_ROWS_BARE = 16,
    HOST_ROWS_META = 32,
};
int host_json_rows(loam_db *db, loam_buffer *out, const loam_rows *rows, size_t limit, int flags);
]]
end

if not is_known("struct host_conditions") then
  ffi.cdef [[
struct host_conditions {
    struct loam_slice if_match;
    struct loam_slice if_none_match;
    struct loam_slice if_range;
    struct loam_slice range;
    int is_repeated;
    int is_part;
    int is_coded;
};
struct host_selection {
    int status;
    size_t first;
    size_t size;
};
int host_conditions_of(const struct http_request *request, struct host_conditions *out);
int host_tag_listed(
    const char *list, size_t list_size, const char *tag, size_t tag_size, int is_weak);
int host_select(const struct host_conditions *given,
    const char *tag,
    size_t tag_size,
    int is_get,
    size_t size,
    struct host_selection *out);
]]
end

if not is_known("struct host_token") then
  ffi.cdef [[
enum {
    HOST_TOKEN_ID_SIZE = 16,
    HOST_TOKEN_SECRET_SIZE = 43,
    HOST_HASH_SIZE = 32,
};
struct host_token {
    char id[16];
    uint8_t hash[32];
    double expires_at_ms;
};
enum {
    HOST_TOKEN_ABSENT = -1,
    HOST_TOKEN_WRONG = -2,
    HOST_TOKEN_EXPIRED = -3,
};
int host_token_find(const struct host_token *list,
    uint32_t count,
    const char *field,
    size_t field_size,
    double now_ms);
int host_token_of(const struct http_request *request,
    const struct host_token *list,
    uint32_t count,
    double now_ms);
struct host_logins;
struct host_logins *host_logins_open(void);
void host_logins_close(struct host_logins *logins);
struct host_logins *host_logins_of(struct host *host);
double host_logins_add(struct host_logins *logins, const char *address, size_t size, double now_ms);
int host_sha256(const void *data, size_t size, uint8_t *out);
int host_random(void *out, size_t size);
double host_file_read_private(const char *path, char *out, size_t capacity, struct loam_error *err);
int host_file_replace(const char *path, const char *data, size_t size, struct loam_error *err);
int host_file_lock(const char *path, struct loam_error *err);
int host_file_stamp(const char *path, char *text, size_t size);
int host_append_open(const char *path, struct loam_error *err);
int host_append(int fd, const char *data, size_t size, struct loam_error *err);
void host_file_close(int fd);
]]
end

return true
