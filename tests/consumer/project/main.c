/* A user's program in C: the main calls of the C interface, against numbers computed here. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "subquad/subquad.h"

enum { LENGTH = 4, CHANNELS = 2, SIZE = LENGTH * CHANNELS };

static float query[SIZE] = {0.5F, -1.0F, 2.0F, 0.25F, -0.75F, 1.5F, 0.0F, 3.0F};
static float key[SIZE] = {1.0F, 0.5F, -2.0F, 1.0F, 0.25F, -0.5F, 1.5F, 2.0F};
static float value[SIZE] = {1.0F, 2.0F, -3.0F, 4.0F, 5.0F, -6.0F, 7.0F, 8.0F};

static void require(int holds, const char* what) {
  if (holds) return;
  printf("%s: not as expected (%s)\n", what, subquad_last_error());
  exit(1);
}

static int near(double got, double want) { return fabs(got - want) <= 1e-5 * (1 + fabs(want)); }

static subquad_tensor dense(float* data, int64_t channels) {
  return subquad_dense(data, SUBQUAD_F32, 1, 1, LENGTH, channels);
}

static subquad_problem make_problem(void) {
  subquad_problem problem = subquad_problem_default();
  problem.query = dense(query, CHANNELS);
  problem.key = dense(key, CHANNELS);
  problem.value = dense(value, CHANNELS);
  return problem;
}

static double dot(const float* a, const float* b) {
  double sum = 0;
  int c;
  for (c = 0; c < CHANNELS; ++c) sum += (double)a[c] * b[c];
  return sum;
}

/* Row i of softmax attention over the first `keys` keys, and its log of the sum. */
static double expected_row(int i, int keys, double* row) {
  double total = 0;
  int j, c;
  for (c = 0; c < CHANNELS; ++c) row[c] = 0;
  for (j = 0; j < keys; ++j) {
    const double weight = exp(dot(query + i * CHANNELS, key + j * CHANNELS) / sqrt(CHANNELS));
    total += weight;
    for (c = 0; c < CHANNELS; ++c) row[c] += weight * value[j * CHANNELS + c];
  }
  for (c = 0; c < CHANNELS; ++c) row[c] /= total;
  return log(total);
}

static void check_rows(const float* out, const float* lse, int causal, const char* what) {
  int i, c;
  for (i = 0; i < LENGTH; ++i) {
    double row[CHANNELS];
    const double want = expected_row(i, causal ? i + 1 : LENGTH, row);
    for (c = 0; c < CHANNELS; ++c) require(near(out[i * CHANNELS + c], row[c]), what);
    require(lse == NULL || near(lse[i], want), what);
  }
}

static void forward_and_backward(void) {
  float out[SIZE], lse[LENGTH], grad_out[SIZE], grad_value[SIZE];
  const subquad_problem problem = make_problem();
  const subquad_tensor o = dense(out, CHANNELS), l = dense(lse, 1), g = dense(grad_out, CHANNELS),
                       v = dense(grad_value, CHANNELS);
  double sum = 0;
  int n;
  require(subquad_attend(&problem, "exact", &o, &l, NULL, 1, 0, NULL) == SUBQUAD_OK, "attend");
  check_rows(out, lse, 0, "attend");
  for (n = 0; n < SIZE; ++n) grad_out[n] = 1;
  require(subquad_attend_backward(&problem, "exact", &o, &l, &g, NULL, NULL, NULL, &v, 1, 0,
                                  NULL) == SUBQUAD_OK,
          "backward");
  for (n = 0; n < SIZE; ++n) sum += grad_value[n]; /* the weights of a row sum to 1 */
  require(near(sum, SIZE), "backward");
}

/* Each row names its causal keys: the result is that of the causal mask. */
static void options_and_results(void) {
  static const int64_t offsets[LENGTH + 1] = {0, 1, 3, 6, 10};
  static const int32_t keys[10] = {0, 0, 1, 0, 1, 2, 0, 1, 2, 3};
  float out[SIZE];
  const subquad_problem problem = make_problem();
  const subquad_tensor o = dense(out, CHANNELS);
  subquad_options* options = subquad_options_create();
  subquad_result* result = subquad_result_create();
  const char* path = NULL;
  int64_t rows = 0;
  double error = 0;
  require(options != NULL && result != NULL, "create");
  require(subquad_options_set(options, "threads", "1") == SUBQUAD_OK, "options_set");
  require(subquad_options_add_given_rows(options, offsets, LENGTH + 1, keys, 10) == SUBQUAD_OK,
          "given");
  require(subquad_attend_with(&problem, "given(0)", &o, NULL, NULL, options, result) == SUBQUAD_OK,
          "attend_with");
  check_rows(out, NULL, 1, "given rows");
  require(subquad_result_text(result, "path", 0, &path) == SUBQUAD_OK && strlen(path) > 0, "path");
  require(subquad_result_integer(result, "rows", 0, &rows) == SUBQUAD_OK && rows == LENGTH, "rows");
  require(subquad_certify(&problem, &o, options, result) == SUBQUAD_OK, "certify");
  require(subquad_result_number(result, "rel_fro", 0, &error) == SUBQUAD_OK && error > 0.01,
          "certificate of another mask's output");
  subquad_result_free(result);
  subquad_options_free(options);
}

static void kernel_sums(void) {
  float out[SIZE];
  const subquad_tensor q = dense(query, CHANNELS), k = dense(key, CHANNELS),
                       x = dense(value, CHANNELS), o = dense(out, CHANNELS);
  int i, j;
  require(subquad_kernel_sums(&q, &k, &x, 0.7, "exact", &o, NULL, NULL) == SUBQUAD_OK, "kernel");
  for (i = 0; i < LENGTH; ++i) {
    double sum = 0;
    for (j = 0; j < LENGTH; ++j) {
      const double dx = (double)query[2 * i] - key[2 * j];
      const double dy = (double)query[2 * i + 1] - key[2 * j + 1];
      sum += exp(-(dx * dx + dy * dy) / (2 * 0.7 * 0.7)) * value[2 * j];
    }
    require(near(out[2 * i], sum), "kernel sums");
  }
}

/* With one key every query gets its value. */
static void linear_steps(void) {
  float out[CHANNELS];
  const subquad_tensor q = subquad_dense(query, SUBQUAD_F32, 1, 1, 1, CHANNELS),
                       k = subquad_dense(key, SUBQUAD_F32, 1, 1, 1, CHANNELS),
                       v = subquad_dense(value, SUBQUAD_F32, 1, 1, 1, CHANNELS),
                       o = subquad_dense(out, SUBQUAD_F32, 1, 1, 1, CHANNELS);
  subquad_linear_state* state = NULL;
  require(subquad_linear_create(1, 1, CHANNELS, CHANNELS, NULL, &state) == SUBQUAD_OK, "linear");
  require(subquad_linear_append(state, &k, &v, 1) == SUBQUAD_OK, "append");
  require(subquad_linear_attend(state, &q, &o, 1, NULL) == SUBQUAD_OK, "linear attend");
  require(near(out[0], value[0]) && near(out[1], value[1]), "linear step");
  subquad_linear_free(state);
}

static void errors(void) {
  float out[SIZE];
  subquad_problem problem = make_problem();
  const subquad_tensor o = dense(out, CHANNELS);
  float sink = 1;
  problem.sink_logits = &sink; /* and no count */
  require(subquad_attend(&problem, "exact", &o, NULL, NULL, 1, 0, NULL) ==
              SUBQUAD_INVALID_ARGUMENT,
          "a pointer without its count");
  require(strstr(subquad_last_error(), "num_sink_logits") != NULL, "its message");
  problem = make_problem();
  require(subquad_attend(&problem, "exact", &problem.value, NULL, NULL, 1, 0, NULL) ==
              SUBQUAD_INVALID_ARGUMENT,
          "an output over an input");
}

int main(void) {
  forward_and_backward();
  options_and_results();
  kernel_sums();
  linear_steps();
  errors();
  printf("subquad %s from C: as expected\n", subquad_version());
  return 0;
}
