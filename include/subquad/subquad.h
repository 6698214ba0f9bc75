/* The C interface: the same attention, with status codes instead of exceptions. Needs C99. */
#ifndef SUBQUAD_SUBQUAD_H_
#define SUBQUAD_SUBQUAD_H_

#include <stdint.h>

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

/* See include/subquad/problem.h for every field. Start from subquad_problem_default(). */
typedef struct subquad_problem {
  subquad_tensor query; /* (B, Hq, Lq, D) */
  subquad_tensor key;   /* (B, Hkv, Lk, D) */
  subquad_tensor value; /* (B, Hkv, Lk, Dv) */
  int has_scale;        /* 0: 1 / sqrt(D) */
  float scale;
  int causal;          /* subquad_causal */
  int64_t window_left; /* -1: no limit */
  int64_t window_right;
  int window_bottom_right; /* the window's alignment when causal is none */
  int mask_kind;           /* subquad_mask_kind */
  const void* mask;
  int64_t mask_shape[4]; /* (batch, Hq, Lq, Lk); the first three may be 1 */
  int64_t mask_stride[4];
  const float* sink_logits; /* NULL, or one a query head */
  int64_t num_sink_logits;
  const int64_t* query_offsets; /* NULL, or num_offsets cumulative starts of packed sequences */
  const int64_t* key_offsets;
  int64_t num_offsets;
} subquad_problem;

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

/* Everything off, every pointer NULL, no window. */
subquad_problem subquad_problem_default(void);

/* A dense row-major view. */
subquad_tensor subquad_dense(void* data, int dtype, int64_t batch, int64_t heads, int64_t length,
                             int64_t channels);

/* attend() of include/subquad/attention.h. `out` (B, Hq, Lq, Dv); `lse` and `row_error` f32
   (B, Hq, Lq, 1) or NULL; `report` may be NULL. threads 0: default. */
subquad_status subquad_attend(const subquad_problem* problem, const char* spec,
                              const subquad_tensor* out, const subquad_tensor* lse,
                              const subquad_tensor* row_error, int threads, uint64_t seed,
                              subquad_report* report);

/* attend_backward(): `spec` and `seed` are those of the forward; gradients are f32, NULL where not
   wanted; grad_lse may be NULL. */
subquad_status subquad_attend_backward(
    const subquad_problem* problem, const char* spec, const subquad_tensor* out,
    const subquad_tensor* lse, const subquad_tensor* grad_out, const subquad_tensor* grad_lse,
    const subquad_tensor* grad_query, const subquad_tensor* grad_key,
    const subquad_tensor* grad_value, int threads, uint64_t seed, subquad_report* report);

/* One line about this thread's last call that did not return SUBQUAD_OK; "" before any. The text
   stays until the thread's next failing call. */
const char* subquad_last_error(void);

/* NOLINTEND(readability-identifier-naming) */

#ifdef __cplusplus
}
#endif

#endif
