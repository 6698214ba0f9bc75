/* The C interface: what the C++ headers beside it offer, with status codes instead of exceptions.
   Needs C99. docs/guide/c.md is the tour; the header named with each function has the details.

   - Status: SUBQUAD_OK, or a code; subquad_last_error() then has one line that names the argument,
     option or field at fault. A failing call writes to no tensor and no result that it was given.
   - Memory: the caller owns what it passes in and keeps it alive and unchanged during the call.
   What a .._create() or .._open() gives belongs to the caller, to be freed by the .._free() of the
   same name (NULL is fine there). Texts and lists that the library returns belong to it; each
   function says how long they live.
   - Tensors: (batch, head, position, channel); strides are in elements, any value for the first
     three axes of an input (0 broadcasts), 1 for the last; data at a multiple of its elements'
     size. What is written, tensor or list, must not share a byte with what is read, with another
     one or with itself.
   - Counts: a pointer and its count come together: one without the other is an error. (A list that
     may be empty, as the keys of a given mask, may be so at any pointer.)
   - Threads: any number of threads may call at once, with different outputs. One options, result,
     state or file object may be read by many threads, or changed by one. subquad_select_isa() and
     subquad_release_scratch() want to be alone.
   - Stability: the structs here are frozen. What comes later is a new function, a new key of
     subquad_options_set(), or a new key of a result.
   - Left out: positions on a grid or a line (attention_metrics.h), which are (y, x) pairs a unit
     apart; parsing a file from memory and writing text (io.h). */
#ifndef SUBQUAD_SUBQUAD_H_
#define SUBQUAD_SUBQUAD_H_

#include <stdint.h>

#include "subquad/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* C has no namespaces: names here are lower case with the prefix.
   NOLINTBEGIN(readability-identifier-naming) */

typedef enum subquad_status {
  SUBQUAD_OK = 0,
  SUBQUAD_FAILED = 1,          /* the computation or the system */
  SUBQUAD_INVALID_ARGUMENT = 2 /* the caller's input; subquad_last_error() names it */
} subquad_status;

/* One line about this thread's last call that did not return SUBQUAD_OK; "" before any. The text
   stays until the thread's next failing call. */
SUBQUAD_API const char* subquad_last_error(void);

/* ---- problems (problem.h, tensor.h) ---- */

typedef enum subquad_dtype { SUBQUAD_F32 = 0, SUBQUAD_BF16 = 1, SUBQUAD_F16 = 2 } subquad_dtype;

typedef enum subquad_causal {
  SUBQUAD_CAUSAL_NONE = 0,
  SUBQUAD_CAUSAL_TOP_LEFT = 1,
  SUBQUAD_CAUSAL_BOTTOM_RIGHT = 2
} subquad_causal;

typedef enum subquad_mask_kind {
  SUBQUAD_MASK_NONE = 0,
  SUBQUAD_MASK_BOOLEAN = 1, /* one byte an element, nonzero = attend */
  SUBQUAD_MASK_ADDITIVE = 2 /* float32 added to the scaled score, -inf = masked */
} subquad_mask_kind;

/* A view of (batch, head, position, channel); strides in elements, the last one 1. Owns nothing. */
typedef struct subquad_tensor {
  void* data; /* inputs are only read */
  int dtype;  /* subquad_dtype */
  int64_t shape[4];
  int64_t stride[4];
} subquad_tensor;

/* See problem.h for every field. Start from subquad_problem_default(). */
typedef struct subquad_problem {
  subquad_tensor query; /* (B, Hq, Lq, D) */
  subquad_tensor key;   /* (B, Hkv, Lk, D) */
  subquad_tensor value; /* (B, Hkv, Lk, Dv) */
  int has_scale;        /* 0: 1 / sqrt(D), and scale must be 0 */
  float scale;
  int causal;          /* subquad_causal */
  int64_t window_left; /* -1: no limit */
  int64_t window_right;
  int window_bottom_right; /* the window's alignment when causal is none */
  int mask_kind;           /* subquad_mask_kind; none: mask, shape and strides are 0 */
  const void* mask;        /* NULL without a mask */
  int64_t mask_shape[4];   /* (batch, Hq, Lq, Lk); the first three may be 1 */
  int64_t mask_stride[4];
  const float* sink_logits; /* NULL, or one a query head */
  int64_t num_sink_logits;
  const int64_t* query_offsets; /* NULL, or num_offsets cumulative starts of packed sequences */
  const int64_t* key_offsets;
  int64_t num_offsets;
} subquad_problem;

/* Everything off, every pointer NULL, no window. */
SUBQUAD_API subquad_problem subquad_problem_default(void);

/* A dense row-major view. */
SUBQUAD_API subquad_tensor subquad_dense(void* data, int dtype, int64_t batch, int64_t heads,
                                         int64_t length, int64_t channels);

/* Whether every call takes the problem. */
SUBQUAD_API subquad_status subquad_validate(const subquad_problem* problem);

/* ---- options ---- */

/* What a call may be told beside its arguments. Wherever options are asked for, NULL stands for the
   defaults; a call reads the keys that are its own and leaves the others alone. */
typedef struct subquad_options subquad_options;

SUBQUAD_API subquad_options* subquad_options_create(void); /* NULL: out of memory */
SUBQUAD_API void subquad_options_free(subquad_options* options);

/* Sets a key to the value that the text says; an error (unknown key, no such value) changes
   nothing. Booleans are true|false|1|0|yes|no|on|off. Keys, their values and defaults:
   - threads: 0 or more; 0, the processors that this process may use, or OMP_NUM_THREADS
   - seed: 0 to 2^64 - 1; 0. Of every random draw
   CertificateOptions (certificate.h)
   - certificate.rows: 0 or more; 0, enough for the confidence
   - certificate.share: in (0, 1); 0.95
   - certificate.confidence: in (0, 1); 0.99
   MeasureOptions (measure.h)
   - measure.operator_norm: boolean; true
   - measure.max_iterations: 1 or more; 30
   - measure.tolerance: 0 or more; 1e-3
   AlphaOptions, StableRankOptions, HeadTailOptions, LemmaConstants (probe.h)
   - alpha.skip_columns: 0 or more; 0
   - alpha.rows: 0 or more; 0, all
   - stable_rank.max_iterations: 1 or more; 30
   - stable_rank.tolerance: 0 or more; 1e-3
   - head_tail.prefix: 0 or more; 0, all
   - head_tail.rows: 0 or more; 0, all
   - lemma1.constant: a number; 1
   - lemma2.constant: a number; 1
   AttentionStatisticsOptions (attention_metrics.h)
   - statistics.keep: 0 or more; 0, every key
   - statistics.leading: 0 or more; 0
   ApproxDOptions, SampleOptions (hyper.h)
   - approxd.heavy: a spec of heavy parts alone, or ""; sortlsh(block=256)
   - approxd.num_samples: 1 to 2^30; 256
   - approxd.epsilon: in (0, 1]; 0.5
   - approxd.kappa: 1 or more; 100
   - approxd.cap_constant: 0 or more; 100
   - approxd.cap: boolean; true
   - approxd.floor: boolean; true
   - approxd.tau_samples: 0 to 2^30; 0, num_samples
   - approxd.replace: boolean; true
   - values.num_samples: 1 to 2^30; 256
   - values.replace: boolean; true
   LinearShape (linear_attention.h)
   - linear.map: none|elu|relu; elu
   - linear.scale: a finite number, or "" for 1 / sqrt(head_dim); "" */
SUBQUAD_API subquad_status subquad_options_set(subquad_options* options, const char* key,
                                               const char* value);

/* The keys, for bindings; NULL outside 0 <= index < num. The text lives as long as the library. */
SUBQUAD_API int64_t subquad_options_num_keys(void);
SUBQUAD_API const char* subquad_options_key(int64_t index);

/* One more given mask (given.h): the first is what the spec part given(0) stands for. The lists are
   not copied: they must live until subquad_options_clear_given() or subquad_options_free(). They
   are checked by the call that uses them. */

/* Query position i meets keys[offsets[i]] .. keys[offsets[i + 1] - 1], in ascending order;
   num_offsets is Lq + 1 (shared by all query heads) or Hq * Lq + 1. */
SUBQUAD_API subquad_status subquad_options_add_given_rows(subquad_options* options,
                                                          const int64_t* offsets,
                                                          int64_t num_offsets, const int32_t* keys,
                                                          int64_t num_keys);

typedef struct subquad_block_pair {
  int32_t query_block; /* query positions [query_block * R, (query_block + 1) * R) */
  int32_t key_block;   /* key positions [key_block * K, (key_block + 1) * K) */
} subquad_block_pair;

/* R = query_block_size, K = key_block_size. offsets NULL and num_offsets 0: shared by all query
   heads; else Hq + 1 offsets, head h has blocks[offsets[h]] .. blocks[offsets[h + 1] - 1]. */
SUBQUAD_API subquad_status
subquad_options_add_given_blocks(subquad_options* options, int64_t query_block_size,
                                 int64_t key_block_size, const subquad_block_pair* blocks,
                                 int64_t num_blocks, const int64_t* offsets, int64_t num_offsets);

SUBQUAD_API void subquad_options_clear_given(subquad_options* options);

/* ---- results ---- */

/* What a call reports: a table with one value for each key and row. A report is one row, a probe
   has one a sequence and head. Calls with a `result` fill it when they succeed, and leave what it
   held when they fail; NULL: not wanted. */
typedef struct subquad_result subquad_result;

SUBQUAD_API subquad_result* subquad_result_create(void); /* no keys, no rows; NULL: out of memory */
SUBQUAD_API void subquad_result_free(subquad_result* result);

SUBQUAD_API int64_t subquad_result_num_rows(const subquad_result* result);
SUBQUAD_API int64_t subquad_result_num_keys(const subquad_result* result);
/* NULL outside 0 <= index < num_keys. All texts and lists of a result live until it is filled again
   or freed. */
SUBQUAD_API const char* subquad_result_key(const subquad_result* result, int64_t index);

/* An error names the keys there are, or the kind of value that the key has. Booleans are the
   integers 0 and 1; _number() and _numbers() take integers too, but for lists. */
SUBQUAD_API subquad_status subquad_result_integer(const subquad_result* result, const char* key,
                                                  int64_t row, int64_t* value);
SUBQUAD_API subquad_status subquad_result_number(const subquad_result* result, const char* key,
                                                 int64_t row, double* value);
SUBQUAD_API subquad_status subquad_result_text(const subquad_result* result, const char* key,
                                               int64_t row, const char** text);
SUBQUAD_API subquad_status subquad_result_integers(const subquad_result* result, const char* key,
                                                   int64_t row, const int64_t** values,
                                                   int64_t* count);
SUBQUAD_API subquad_status subquad_result_numbers(const subquad_result* result, const char* key,
                                                  int64_t row, const double** values,
                                                  int64_t* count);

/* ---- attention (attention.h) ---- */

/* The short form of the report; the long one is a subquad_result. */
typedef struct subquad_report {
  int64_t rows;
  int64_t fallback_rows;
  int64_t scored_entries;
  int64_t peak_extra_bytes;
  int64_t negative_rows; /* divided by a negative sum of weights: linear(map=none) alone; counted by
                            the forward, 0 after subquad_attend_backward() */
  double recall;         /* share of the true top-k keys that candidates held, on sampled rows; NaN:
                            no such search, or the backward */
} subquad_report;

/* Attention by a method given as a spec string ("exact", "hyper", "sink(4)+window(512)+far", ..:
   docs/guide/specs.md). `out` (B, Hq, Lq, Dv) of any dtype; `lse` and `row_error` f32
   (B, Hq, Lq, 1) or NULL; `report` may be NULL. threads 0: default. */
SUBQUAD_API subquad_status subquad_attend(const subquad_problem* problem, const char* spec,
                                          const subquad_tensor* out, const subquad_tensor* lse,
                                          const subquad_tensor* row_error, int threads,
                                          uint64_t seed, subquad_report* report);

/* The same with options (threads, seed, given masks). The result is one row, the fields of Report:
     path (text); rows, fallback_rows, scored_entries, peak_extra_bytes, exact_heads, negative_rows
     (integers); recall, estimated_error (numbers, NaN where there is none); certificate.* as of
     subquad_certify(), certificate.rows = 0 where none was asked for. */
SUBQUAD_API subquad_status subquad_attend_with(const subquad_problem* problem, const char* spec,
                                               const subquad_tensor* out, const subquad_tensor* lse,
                                               const subquad_tensor* row_error,
                                               const subquad_options* options,
                                               subquad_result* result);

/* Gradients through subquad_attend(): `spec`, seed and given masks are those of the forward, `out`
   and `lse` what it gave. grad_out (B, Hq, Lq, Dv); grad_lse f32 (B, Hq, Lq, 1), or NULL for zero.
   grad_query, grad_key, grad_value: f32, shapes of query, key, value, overwritten; NULL where not
   wanted. */
SUBQUAD_API subquad_status subquad_attend_backward(
    const subquad_problem* problem, const char* spec, const subquad_tensor* out,
    const subquad_tensor* lse, const subquad_tensor* grad_out, const subquad_tensor* grad_lse,
    const subquad_tensor* grad_query, const subquad_tensor* grad_key,
    const subquad_tensor* grad_value, int threads, uint64_t seed, subquad_report* report);

/* The same with options; the result as of subquad_attend_with(). */
SUBQUAD_API subquad_status subquad_attend_backward_with(
    const subquad_problem* problem, const char* spec, const subquad_tensor* out,
    const subquad_tensor* lse, const subquad_tensor* grad_out, const subquad_tensor* grad_lse,
    const subquad_tensor* grad_query, const subquad_tensor* grad_key,
    const subquad_tensor* grad_value, const subquad_options* options, subquad_result* result);

/* What a spec can name (parts.h): parts has a row for each, in the order of docs/guide/specs.md:
   name, kind ("exact", "heavy", "light", "heavy and light", "recipe",
   "correction"), summary, source (texts);
   parameters has a row for each of theirs, in the order of positional arguments: part, name,
   fallback, range (texts). */
SUBQUAD_API subquad_status subquad_method_parts(subquad_result* parts, subquad_result* parameters);

/* ---- certificates and errors (certificate.h, measure.h) ---- */

/* A bound on the errors of `out` (B, Hq, Lq, Dv), whatever computed it, from rows drawn at random
   and recomputed exactly (options: threads, seed, certificate.*). The result is one row: rows,
   total_rows, worst_batch, worst_head, worst_position (integers); share, confidence,
   largest_row_error, largest_row_error_to_rms, rms_row_norm, rel_fro (numbers). */
SUBQUAD_API subquad_status subquad_certify(const subquad_problem* problem,
                                           const subquad_tensor* out,
                                           const subquad_options* options, subquad_result* result);

/* The errors of `approx` against `exact`, both f32 (B, Hq, Lq, Dv). norms: NULL and 0, or the B *
   Hq numbers of subquad_softmax_norms() for this problem, all finite. A row for each query head,
   then one for all of them (head = -1): head (integer); rel_fro, max_over_vmax, op_rel,
   rows_over_1pct, rows_over_5pct, rows_over_20pct (numbers). */
SUBQUAD_API subquad_status subquad_measure_errors(const subquad_problem* problem,
                                                  const subquad_tensor* approx,
                                                  const subquad_tensor* exact, const double* norms,
                                                  int64_t num_norms, const subquad_options* options,
                                                  subquad_result* result);

/* Operator norms of the softmax weights into norms[b * Hq + h]; num_norms must be B * Hq. */
SUBQUAD_API subquad_status subquad_softmax_norms(const subquad_problem* problem,
                                                 const subquad_options* options, double* norms,
                                                 int64_t num_norms);

/* ---- sums of Gaussian kernels (kernel_sums.h) ---- */

/* y_i = sum_k exp(-|q_i - k|^2 / (2 bandwidth^2)) x_k: query (B, H, m, D), key (B, H, n, D), value
   (B, H, n, C), out (B, H, m, C); spec "exact", "far(..)" or "boxes(..)". The result is one row:
   path (text); rows, scored_entries, peak_extra_bytes, opened_entries (integers); estimated_error,
   error_bound (numbers). */
SUBQUAD_API subquad_status subquad_kernel_sums(const subquad_tensor* query,
                                               const subquad_tensor* key,
                                               const subquad_tensor* value, double bandwidth,
                                               const char* spec, const subquad_tensor* out,
                                               const subquad_options* options,
                                               subquad_result* result);

/* The same with a bandwidth for each of the D channels, or with one for all where num_bandwidths is
   1; spec as above. */
SUBQUAD_API subquad_status subquad_kernel_sums_with(
    const subquad_tensor* query, const subquad_tensor* key, const subquad_tensor* value,
    const double* bandwidths, int64_t num_bandwidths, const char* spec, const subquad_tensor* out,
    const subquad_options* options, subquad_result* result);

/* out = log sum_k exp(-|q_i - k|^2 / (2 bandwidth^2)) x_k for x >= 0: exact, underflows at no
   distance. Bandwidths and result as above. */
SUBQUAD_API subquad_status subquad_kernel_log_sums(
    const subquad_tensor* query, const subquad_tensor* key, const subquad_tensor* value,
    const double* bandwidths, int64_t num_bandwidths, const subquad_tensor* out,
    const subquad_options* options, subquad_result* result);

/* Gradients of a loss through exact kernel sums: grad_out (B, H, m, C); grad_query, grad_key,
   grad_value f32, shapes of query, key, value, overwritten, and grad_bandwidths, num_bandwidths
   numbers: NULL where not wanted. Bandwidths and result as above. */
SUBQUAD_API subquad_status subquad_kernel_sums_backward(
    const subquad_tensor* query, const subquad_tensor* key, const subquad_tensor* value,
    const double* bandwidths, int64_t num_bandwidths, const subquad_tensor* grad_out,
    const subquad_tensor* grad_query, const subquad_tensor* grad_key,
    const subquad_tensor* grad_value, double* grad_bandwidths, const subquad_options* options,
    subquad_result* result);

/* ---- linear attention, step by step (linear_attention.h) ---- */

typedef struct subquad_linear_state subquad_linear_state;

/* An empty state for `batch` sequences that go in step (options: linear.*) into *state; NULL there
   on failure. head_dim and value_dim from 1 to 512. */
SUBQUAD_API subquad_status subquad_linear_create(int64_t batch, int64_t kv_heads, int64_t head_dim,
                                                 int64_t value_dim, const subquad_options* options,
                                                 subquad_linear_state** state);
SUBQUAD_API void subquad_linear_free(subquad_linear_state* state);

/* Adds keys (B, Hkv, L, D) and values (B, Hkv, L, Dv). */
SUBQUAD_API subquad_status subquad_linear_append(subquad_linear_state* state,
                                                 const subquad_tensor* keys,
                                                 const subquad_tensor* values, int threads);

/* out (B, Hq, L, Dv): what queries (B, Hq, L, D) get from all keys so far. negative_rows: NULL, or
   where to put how many rows had a negative sum of weights. */
SUBQUAD_API subquad_status subquad_linear_attend(const subquad_linear_state* state,
                                                 const subquad_tensor* queries,
                                                 const subquad_tensor* out, int threads,
                                                 int64_t* negative_rows);

/* The state itself, (batch, kv_heads, D, Dv + 1) row-major, to save, restore or move: *count
   numbers that live as long as the state and may be written. NULL, and *count = 0, for a NULL
   state. */
SUBQUAD_API double* subquad_linear_sums(subquad_linear_state* state, int64_t* count);

/* ---- HyperAttention as published (hyper.h); options: threads, seed, given masks, approxd.*,
   values.* ---- */

/* Algorithm 2: ln of the estimated row sums into log_row_sums, f32 (B, Hq, Lq, 1). report: as of
   subquad_attend_with(). heads: a row for each key/value head of each sequence: sequence, kv_head,
   capped_samples, floored_rows (integers); tau_positions, samples (lists of integers); log_tau
   (list of numbers, one a query head of the group). */
SUBQUAD_API subquad_status subquad_approximate_row_sums(const subquad_problem* problem,
                                                        const subquad_tensor* log_row_sums,
                                                        const subquad_options* options,
                                                        subquad_result* report,
                                                        subquad_result* heads);

/* Lemma 2's sampling matrices, a row for each key/value head of each sequence: sequence, kv_head
   (integers); indices (list of integers); weights (list of numbers). */
SUBQUAD_API subquad_status subquad_sample_value_rows(const subquad_problem* problem,
                                                     const subquad_options* options,
                                                     subquad_result* samples);

/* Algorithm 3: outputs as of subquad_attend(), results as of the two above. */
SUBQUAD_API subquad_status subquad_hyper_attention(
    const subquad_problem* problem, const subquad_tensor* out, const subquad_tensor* lse,
    const subquad_tensor* row_error, const subquad_options* options, subquad_result* report,
    subquad_result* heads, subquad_result* samples);

/* ---- probes of assumptions (probe.h): a row for each sequence and query head, both integers in
   the keys sequence and head ---- */

/* alpha (number); column, rows, sampled (integers). Options: threads, seed, alpha.*. */
SUBQUAD_API subquad_status subquad_probe_alpha(const subquad_problem* problem,
                                               const subquad_options* options,
                                               subquad_result* result);
/* kappa, log10_kappa (numbers); rows, empty_rows, unresolved_rows (integers). Options: threads,
   seed. heavy_spec names heavy parts alone. */
SUBQUAD_API subquad_status subquad_probe_kappa(const subquad_problem* problem,
                                               const char* heavy_spec,
                                               const subquad_options* options,
                                               subquad_result* result);
SUBQUAD_API double subquad_kappa_floor(double lse);
/* frobenius_squared, operator_norm, stable_rank (numbers). Options: threads, stable_rank.*. */
SUBQUAD_API subquad_status subquad_probe_stable_rank(const subquad_problem* problem,
                                                     const subquad_options* options,
                                                     subquad_result* result);
/* ratio, ratio_error, log_largest, nth_over_next, nth_over_2nth (numbers); size, rows (integers).
   Options: threads, seed, head_tail.*. */
SUBQUAD_API subquad_status subquad_probe_head_tail(const subquad_problem* problem,
                                                   const subquad_options* options,
                                                   subquad_result* result);
/* The sample sizes that Lemmas 1 and 2 ask for (options: lemma1.*, lemma2.*). One row: lemma1,
   log10_lemma1, lemma2 (numbers); lemma1_vacuous, lemma2_vacuous (integers). */
SUBQUAD_API subquad_status subquad_lemma_samples(int64_t n, int64_t value_dim, double epsilon,
                                                 double alpha, double log10_kappa,
                                                 double stable_rank, const subquad_options* options,
                                                 subquad_result* result);

/* ---- what attention layers do (attention_metrics.h) ---- */

/* A row for each sequence and query head: sequence, head, rows (integers); weight_std, nonlocality,
   leading_weight (numbers). positions: NULL and 0, or (y, x) of every token but the first
   statistics.leading, num_positions pairs. Options: threads, statistics.*. */
SUBQUAD_API subquad_status subquad_attention_statistics(const subquad_problem* problem,
                                                        const float* positions,
                                                        int64_t num_positions,
                                                        const subquad_options* options,
                                                        subquad_result* result);
/* Mean cosine between tokens (B, H, n, d); |branch| / |main|. One number a (b, h), into values;
   count must be B * H. */
SUBQUAD_API subquad_status subquad_token_similarity(const subquad_tensor* tokens, double* values,
                                                    int64_t count);
SUBQUAD_API subquad_status subquad_residual_ratio(const subquad_tensor* branch,
                                                  const subquad_tensor* main, double* values,
                                                  int64_t count);

/* ---- files of tensors: .npy, .npz, .safetensors (io.h) ---- */

typedef enum subquad_element_type {
  SUBQUAD_ELEMENT_BOOLEAN = 0,
  SUBQUAD_ELEMENT_U8 = 1,
  SUBQUAD_ELEMENT_I8 = 2,
  SUBQUAD_ELEMENT_U16 = 3,
  SUBQUAD_ELEMENT_I16 = 4,
  SUBQUAD_ELEMENT_U32 = 5,
  SUBQUAD_ELEMENT_I32 = 6,
  SUBQUAD_ELEMENT_U64 = 7,
  SUBQUAD_ELEMENT_I64 = 8,
  SUBQUAD_ELEMENT_F16 = 9,
  SUBQUAD_ELEMENT_BF16 = 10,
  SUBQUAD_ELEMENT_F32 = 11,
  SUBQUAD_ELEMENT_F64 = 12
} subquad_element_type;

/* A named tensor: little-endian, row-major, dense. */
typedef struct subquad_array {
  const char* name;
  int type; /* subquad_element_type */
  int64_t num_dimensions;
  const int64_t* shape; /* num_dimensions extents; NULL for 0 */
  const void* data;
} subquad_array;

typedef struct subquad_file subquad_file;

/* Opens a file for reading, into *file, to be freed by subquad_file_free(); NULL there on failure.
 */
SUBQUAD_API subquad_status subquad_file_open(const char* path, subquad_file** file);
SUBQUAD_API void subquad_file_free(subquad_file* file);

/* What an array or a text points to lives as long as the file. */
SUBQUAD_API int64_t subquad_file_num_arrays(const subquad_file* file);
SUBQUAD_API subquad_status subquad_file_array(const subquad_file* file, int64_t index,
                                              subquad_array* array);
SUBQUAD_API subquad_status subquad_file_find(const subquad_file* file, const char* name,
                                             subquad_array* array);
/* A safetensors file's metadata; NULL when absent. */
SUBQUAD_API const char* subquad_file_metadata(const subquad_file* file, const char* key);

/* Writes a whole file or none; the extension chooses the format. metadata: NULL and 0, or
   num_metadata pairs of a key and a text, one after the other (safetensors alone). At most 2^20
   arrays and as many pairs. */
SUBQUAD_API subquad_status subquad_write_file(const char* path, const subquad_array* arrays,
                                              int64_t num_arrays, const char* const* metadata,
                                              int64_t num_metadata);

/* ---- the library and the machine (info.h) ---- */

SUBQUAD_API const char* subquad_version(void); /* "0.1.0"; lives as long as the library */

/* One row: version, compiler, isa_compiled, isa_supported (comma-separated), isa (texts); threads
   (integer). */
SUBQUAD_API subquad_status subquad_build_info(subquad_result* result);

/* Multiply-adds in GFLOP/s (of f32; of bf16 tiles, 0 where f32 is in use), reading in GB/s, for
   about `seconds` on `threads` threads. */
SUBQUAD_API subquad_status subquad_measure_fma_gflops(int threads, double seconds, double* gflops);
SUBQUAD_API subquad_status subquad_measure_tile_gflops(int threads, double seconds, double* gflops);
SUBQUAD_API subquad_status subquad_measure_read_gbps(int threads, double seconds, double* gbps);

/* Lowers (or restores, with "") the instruction set. Call when nothing else is running. */
SUBQUAD_API subquad_status subquad_select_isa(const char* name);

/* Gives scratch memory kept for reuse back to the system. Call when nothing else is running. */
SUBQUAD_API void subquad_release_scratch(void);

/* NOLINTEND(readability-identifier-naming) */

#ifdef __cplusplus
}
#endif

#endif
