// The C interface: the numbers of the C++ one, codes and messages for bad input.
#include "subquad/subquad.h"

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

struct Small {
  std::vector<float> query{1, 0}, key{1, 0, 0, 1}, value{1, 2, 3, 4}, out{0, 0};
  subquad_problem problem = subquad_problem_default();
  subquad_tensor out_view = subquad_dense(out.data(), SUBQUAD_F32, 1, 1, 1, 2);
  Small() {
    problem.query = subquad_dense(query.data(), SUBQUAD_F32, 1, 1, 1, 2);
    problem.key = subquad_dense(key.data(), SUBQUAD_F32, 1, 1, 2, 2);
    problem.value = subquad_dense(value.data(), SUBQUAD_F32, 1, 1, 2, 2);
    problem.has_scale = 1;
    problem.scale = 1.0f;
  }
};

TEST(CApi, AttendGivesTheSoftmaxAverage) {
  Small small;
  float lse = 0;
  const subquad_tensor lse_view = subquad_dense(&lse, SUBQUAD_F32, 1, 1, 1, 1);
  subquad_report report;
  ASSERT_EQ(SUBQUAD_OK, subquad_attend(&small.problem, "exact", &small.out_view, &lse_view, nullptr,
                                       1, 0, &report));
  const double weight = std::exp(1.0) / (std::exp(1.0) + 1.0);  // of the first key
  EXPECT_NEAR(small.out[0], weight * 1 + (1 - weight) * 3, 1e-6);
  EXPECT_NEAR(small.out[1], weight * 2 + (1 - weight) * 4, 1e-6);
  EXPECT_NEAR(lse, std::log(std::exp(1.0) + 1.0), 1e-6);
  EXPECT_EQ(1, report.rows);
  EXPECT_EQ(0, report.fallback_rows);
}

TEST(CApi, BackwardMatchesTheAnalyticGradient) {
  Small small;
  float lse = 0;
  const subquad_tensor lse_view = subquad_dense(&lse, SUBQUAD_F32, 1, 1, 1, 1);
  ASSERT_EQ(SUBQUAD_OK, subquad_attend(&small.problem, "exact", &small.out_view, &lse_view, nullptr,
                                       1, 0, nullptr));
  std::vector<float> grad_out{1, 0}, grad_value(4);
  const subquad_tensor grad_out_view = subquad_dense(grad_out.data(), SUBQUAD_F32, 1, 1, 1, 2);
  const subquad_tensor grad_value_view = subquad_dense(grad_value.data(), SUBQUAD_F32, 1, 1, 2, 2);
  const auto backward = [&](const char* spec) {
    return subquad_attend_backward(&small.problem, spec, &small.out_view, &lse_view, &grad_out_view,
                                   nullptr, nullptr, nullptr, &grad_value_view, 1, 0, nullptr);
  };
  ASSERT_EQ(SUBQUAD_OK, backward("exact"));
  const double weight = std::exp(1.0) / (std::exp(1.0) + 1.0);
  EXPECT_NEAR(grad_value[0], weight, 1e-6);
  EXPECT_NEAR(grad_value[1], 0, 1e-6);
  EXPECT_NEAR(grad_value[2], 1 - weight, 1e-6);
  // With every key sampled the other methods' gradient is the same.
  ASSERT_EQ(SUBQUAD_OK, backward("sink(1)+uniform(m=2)"));
  EXPECT_NEAR(grad_value[0], weight, 1e-6);
  EXPECT_NEAR(grad_value[2], 1 - weight, 1e-6);
  EXPECT_EQ(SUBQUAD_INVALID_ARGUMENT, backward("nonsense"));
  EXPECT_EQ(SUBQUAD_INVALID_ARGUMENT, backward(nullptr));
}

TEST(CApi, RecallIsThatOfTheSearch) {
  Small small;
  subquad_report report;
  const auto recall = [&](const char* spec) {
    EXPECT_EQ(SUBQUAD_OK, subquad_attend(&small.problem, spec, &small.out_view, nullptr, nullptr, 1,
                                         0, &report));
    return report.recall;
  };
  // Every cluster is visited, so that nothing is missed; the exact search has no recall.
  EXPECT_EQ(1.0, recall("topk(k=1,candidates=clusters,clusters=2,probes=2)"));
  EXPECT_TRUE(std::isnan(recall("topk(k=1)")));
}

TEST(CApi, NegativeSumsAreCounted) {
  Small small;
  small.problem.scale = -1;
  subquad_report report;
  ASSERT_EQ(SUBQUAD_OK, subquad_attend(&small.problem, "linear(map=none)", &small.out_view, nullptr,
                                       nullptr, 1, 0, &report));
  EXPECT_EQ(1, report.negative_rows);
  EXPECT_EQ(0, report.fallback_rows);
}

TEST(CApi, BadInputGivesACodeAndALine) {
  Small small;
  small.problem.key.shape[3] = 3;
  EXPECT_EQ(SUBQUAD_INVALID_ARGUMENT, subquad_attend(&small.problem, "exact", &small.out_view,
                                                     nullptr, nullptr, 1, 0, nullptr));
  EXPECT_NE(nullptr, std::strstr(subquad_last_error(), "key"));
  EXPECT_EQ(SUBQUAD_INVALID_ARGUMENT,
            subquad_attend(nullptr, "exact", &small.out_view, nullptr, nullptr, 1, 0, nullptr));
  EXPECT_STREQ("problem: is NULL", subquad_last_error());
  Small other;
  EXPECT_EQ(SUBQUAD_INVALID_ARGUMENT, subquad_attend(&other.problem, "nonsense", &other.out_view,
                                                     nullptr, nullptr, 1, 0, nullptr));
  EXPECT_NE(nullptr, std::strstr(subquad_last_error(), "nonsense"));
  EXPECT_EQ(SUBQUAD_INVALID_ARGUMENT, subquad_attend(&other.problem, nullptr, &other.out_view,
                                                     nullptr, nullptr, 1, 0, nullptr));
  other.problem.causal = 7;
  EXPECT_EQ(SUBQUAD_INVALID_ARGUMENT, subquad_attend(&other.problem, "exact", &other.out_view,
                                                     nullptr, nullptr, 1, 0, nullptr));
}

}  // namespace
