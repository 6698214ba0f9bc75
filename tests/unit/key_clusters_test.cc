// Clusters of keys and groups of rows: partitions of every input, the same for any thread count,
// and better than chance.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "index/key_clusters.h"
#include "index/kmeans.h"
#include "index/row_groups.h"
#include "index/scaled_points.h"
#include "subquad/error.h"

namespace subquad::testing {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Cloud {
  std::int64_t n, dim;
  std::vector<float> points;

  float* row(std::int64_t i) { return points.data() + i * dim; }
  std::vector<float> channels(std::int64_t i) const {
    return {points.begin() + i * dim, points.begin() + (i + 1) * dim};
  }
};

Cloud normal_cloud(std::int64_t n, std::int64_t dim) {
  Cloud cloud{n, dim, {}};
  for (std::uint32_t i = 0; i < n; ++i)
    for (std::uint32_t c = 0; c < dim; ++c)
      cloud.points.push_back(Rng(3, 0).normal(Purpose::sample, i, c));
  return cloud;
}

// Point i around center i % centers: distance of two centers about 14 noise lengths.
Cloud mixture_cloud(std::int64_t n, std::int64_t dim, std::int64_t centers) {
  Cloud cloud = normal_cloud(n, dim);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::uint32_t c = 0; c < dim; ++c)
      cloud.row(i)[c] +=
          10 * Rng(4, 0).normal(Purpose::sample, static_cast<std::uint32_t>(i % centers), c);
  return cloud;
}

Partition cluster(const Cloud& cloud, std::int64_t count, Clustering how, int threads = 1) {
  return cluster_points(cloud.points.data(), cloud.n, cloud.dim, count, how, Rng(5, 0), threads);
}
Partition group(const Cloud& cloud, std::int64_t target, std::int64_t most, int threads = 1) {
  return group_rows(cloud.points.data(), cloud.n, cloud.dim, target, most, Rng(5, 0), threads);
}

void check_cluster(const Partition& partition, std::int64_t c) {
  const IndexList members = partition.members(c);
  ASSERT_GT(members.count, 0);
  ASSERT_TRUE(members.sorted());
  for (std::int64_t i = 0; i < members.count; ++i) {
    ASSERT_EQ(partition.cluster_of[static_cast<std::size_t>(members[i])], c);
    ASSERT_TRUE(i == 0 || members[i - 1] < members[i]);
  }
}

void check_partition(const Partition& partition, std::int64_t n, std::int64_t most_clusters) {
  ASSERT_EQ(partition.size(), static_cast<std::int64_t>(partition.begin.size()) - 1);
  ASSERT_LE(partition.size(), most_clusters);
  ASSERT_EQ(partition.size() == 0, n == 0);
  ASSERT_EQ(partition.begin.front(), 0);
  ASSERT_EQ(partition.begin.back(), n);
  ASSERT_EQ(static_cast<std::int64_t>(partition.cluster_of.size()), n);
  std::vector<std::int32_t> ids = partition.ids, all(static_cast<std::size_t>(n));
  std::sort(ids.begin(), ids.end());
  std::iota(all.begin(), all.end(), 0);
  ASSERT_EQ(ids, all);
  for (std::int64_t c = 0; c < partition.size(); ++c) check_cluster(partition, c);
}

void check_equal(const Partition& a, const Partition& b) {
  ASSERT_EQ(a.ids, b.ids);
  ASSERT_EQ(a.begin, b.begin);
  ASSERT_EQ(a.cluster_of, b.cluster_of);
}

// Smallest and largest cluster.
std::pair<std::int64_t, std::int64_t> sizes(const Partition& partition) {
  std::int64_t least = std::numeric_limits<std::int64_t>::max(), most = 0;
  for (std::int64_t c = 0; c < partition.size(); ++c) {
    least = std::min(least, partition.members(c).count);
    most = std::max(most, partition.members(c).count);
  }
  return {least, most};
}

// Mean of the given points, a plain loop.
std::vector<double> plain_mean(const Cloud& cloud, const IndexList& members) {
  std::vector<double> mean(static_cast<std::size_t>(cloud.dim));
  for (std::int64_t i = 0; i < members.count; ++i) {
    const std::vector<float> point = cloud.channels(members[i]);
    for (std::size_t c = 0; c < mean.size(); ++c)
      mean[c] += double{point[c]} / static_cast<double>(members.count);
  }
  return mean;
}

// Squared distances to the cluster means.
double spread(const Cloud& cloud, const Partition& partition) {
  double sum = 0;
  for (std::int64_t k = 0; k < partition.size(); ++k) {
    const IndexList members = partition.members(k);
    const std::vector<double> mean = plain_mean(cloud, members);
    for (std::int64_t i = 0; i < members.count; ++i) {
      const std::vector<float> point = cloud.channels(members[i]);
      for (std::size_t c = 0; c < mean.size(); ++c) sum += std::pow(point[c] - mean[c], 2);
    }
  }
  return sum;
}

// Point i in cluster i * count / n: nothing to do with where the points lie.
Partition cut_by_position(std::int64_t n, std::int64_t count) {
  Partition partition;
  for (std::int32_t i = 0; i < n; ++i) {
    partition.ids.push_back(i);
    partition.cluster_of.push_back(static_cast<std::int32_t>(i * count / n));
  }
  for (std::int64_t c = 0; c <= count; ++c) partition.begin.push_back((c * n + count - 1) / count);
  return partition;
}

constexpr Clustering kMethods[] = {Clustering::tree, Clustering::kmeans, Clustering::lsh};

TEST(KeyClusters, PartitionsPointsOfAnyShape) {
  for (const Clustering how : kMethods)
    for (const std::int64_t n : {0, 1, 2, 3, 7, 100, 1000})
      for (const std::int64_t dim : {1, 5, 64, 512})
        for (const std::int64_t count : {1, 2, 13, 256}) {
          const Partition partition = cluster(normal_cloud(n, dim), count, how);
          ASSERT_NO_FATAL_FAILURE(check_partition(partition, n, std::min(n, count)));
        }
}

TEST(KeyClusters, MeansMatchAPlainLoop) {
  const Cloud cloud = mixture_cloud(700, 19, 9);
  for (const Clustering how : kMethods) {
    const Partition partition = cluster(cloud, 21, how);
    const std::vector<float> means = cluster_means(partition, cloud.points.data(), cloud.dim, 2);
    ASSERT_EQ(static_cast<std::int64_t>(means.size()), partition.size() * cloud.dim);
    for (std::int64_t k = 0; k < partition.size(); ++k) {
      const std::vector<double> mean = plain_mean(cloud, partition.members(k));
      for (std::size_t c = 0; c < mean.size(); ++c) {
        const float found = means[static_cast<std::size_t>(k * cloud.dim) + c];
        ASSERT_NEAR(found, mean[c], 1e-7 * std::abs(mean[c]) + 1e-13);
      }
    }
  }
}

TEST(KeyClusters, SameForAnyNumberOfThreads) {
  const Cloud cloud = mixture_cloud(3000, 33, 40);
  for (const Clustering how : kMethods) {
    const Partition one = cluster(cloud, 100, how, 1);
    for (const int threads : {2, 3}) check_equal(one, cluster(cloud, 100, how, threads));
    for (const int threads : {2, 3})
      ASSERT_EQ(cluster_means(one, cloud.points.data(), cloud.dim, 1),
                cluster_means(one, cloud.points.data(), cloud.dim, threads));
  }
  const Partition one = group(cloud, 50, 60, 1);
  for (const int threads : {2, 3}) check_equal(one, group(cloud, 50, 60, threads));
}

TEST(KeyClusters, TreeAndLshClustersAreEqualInSize) {
  for (const std::int64_t n : {256, 257, 1000, 4097})
    for (const std::int64_t count : {1, 3, 100, 256})
      for (const Clustering how : {Clustering::tree, Clustering::lsh}) {
        const Partition partition = cluster(normal_cloud(n, 4), count, how);
        ASSERT_EQ(partition.size(), count);
        const auto [least, most] = sizes(partition);
        ASSERT_LE(most - least, 1);
      }
}

// Along one axis the tree is a sort: every leaf is a run of the sorted numbers.
TEST(KeyClusters, TreeSortsALine) {
  Cloud cloud = normal_cloud(1000, 3);
  for (std::int64_t i = 0; i < cloud.n; ++i) cloud.row(i)[1] = cloud.row(i)[2] = -cloud.row(i)[0];
  const Partition partition = cluster(cloud, 37, Clustering::tree);
  std::vector<std::pair<float, float>> ranges;
  for (std::int64_t k = 0; k < partition.size(); ++k) {
    const IndexList members = partition.members(k);
    std::pair<float, float> range{kInfinity, -kInfinity};
    for (std::int64_t i = 0; i < members.count; ++i) {
      range.first = std::min(range.first, cloud.row(members[i])[0]);
      range.second = std::max(range.second, cloud.row(members[i])[0]);
    }
    ranges.push_back(range);
  }
  std::sort(ranges.begin(), ranges.end());
  for (std::size_t k = 1; k < ranges.size(); ++k) ASSERT_LE(ranges[k - 1].second, ranges[k].first);
}

// The noise holds 1 % of a mixture's variance. A cut by position keeps nearly all of it; k-means
// with twice as many centers as there are true ones misses few, LSH and equal sizes cut through.
TEST(KeyClusters, LeavesLessVarianceThanACutByPosition) {
  const Cloud cloud = mixture_cloud(4096, 16, 64);
  const double random = spread(cloud, cut_by_position(cloud.n, 128));
  EXPECT_LT(spread(cloud, cluster(cloud, 128, Clustering::kmeans)), 0.3 * random);
  EXPECT_LT(spread(cloud, cluster(cloud, 128, Clustering::tree)), 0.3 * random);
  EXPECT_LT(spread(cloud, cluster(cloud, 128, Clustering::lsh)), 0.8 * random);
}

double squared_distance(const float* a, const float* b, std::int64_t dim) {
  double sum = 0;
  for (std::int64_t c = 0; c < dim; ++c) sum += std::pow(double{a[c]} - b[c], 2);
  return sum;
}

// Every point against all centers in double; 1e-5 covers the rounding of scores of f32.
TEST(KeyClusters, NearestCentersMatchAPlainLoop) {
  const Cloud cloud = normal_cloud(300, 21);
  const ScaledPoints points = scale_points(cloud.points.data(), cloud.n, cloud.dim, Rng(5, 0), 1);
  for (const std::int64_t count : {1, 31, 32, 70}) {
    const std::vector<float> centers = kmeans_centers(points, points.ids, count, Rng(6, 0), 1);
    const auto nearest = nearest_centers(points, points.ids, centers, 2);
    for (std::int64_t i = 0; i < cloud.n; ++i) {
      const auto distance = [&](std::int64_t k) {
        return squared_distance(points.row(i), centers.data() + k * points.stride, points.stride);
      };
      double least = std::numeric_limits<double>::infinity();
      for (std::int64_t k = 0; k < count; ++k) least = std::min(least, distance(k));
      ASSERT_LE(distance(nearest[static_cast<std::size_t>(i)]), least + 1e-5 * (1 + least));
    }
  }
}

TEST(KeyClusters, AsManyCentersAsPoints) {
  for (const Clustering how : kMethods)
    ASSERT_EQ(cluster(normal_cloud(500, 8), 500, how).size(), 500);
}

TEST(KeyClusters, ScaledPointsKeepDirections) {
  Cloud cloud = normal_cloud(200, 5);
  std::fill_n(cloud.row(9), 5, 1e38f);
  cloud.row(9)[1] = -1e38f;
  cloud.row(10)[4] = kNan;
  const ScaledPoints points = scale_points(cloud.points.data(), cloud.n, cloud.dim, Rng(5, 0), 1);
  EXPECT_EQ(points.odd, std::vector<std::int32_t>{10});
  EXPECT_EQ(points.ids.size(), 199u);
  for (std::int64_t c = 0; c < 5; ++c) {
    EXPECT_EQ(points.row(9)[c], c == 1 ? -0x1p50f : 0x1p50f);
    EXPECT_EQ(points.row(10)[c], 0.0f);
  }
  const double factor =  // a power of two, the same for all the others
      double{points.row(1)[0] - points.row(0)[0]} / (cloud.row(1)[0] - cloud.row(0)[0]);
  for (std::int64_t c = 0; c < 5; ++c)
    EXPECT_NEAR(points.row(3)[c] - points.row(2)[c],
                factor * (double{cloud.row(3)[c]} - cloud.row(2)[c]), 1e-5);
}

TEST(KeyClusters, EqualPointsAreSplitByPosition) {
  for (const float value : {0.0f, 1.0f, 1e30f, -1e-30f}) {
    const Cloud cloud{100, 3, std::vector<float>(300, value)};
    for (const Clustering how : {Clustering::tree, Clustering::lsh}) {
      const Partition partition = cluster(cloud, 8, how);
      ASSERT_NO_FATAL_FAILURE(check_partition(partition, 100, 8));
      ASSERT_EQ(partition.size(), 8);
      ASSERT_TRUE(std::is_sorted(partition.ids.begin(), partition.ids.end()));
    }
    const Partition partition = cluster(cloud, 8, Clustering::kmeans);
    ASSERT_NO_FATAL_FAILURE(check_partition(partition, 100, 8));
    ASSERT_EQ(partition.size(), 1);
  }
}

// A power of two does nothing but move the exponents: the same partition, bit for bit.
TEST(KeyClusters, HugeAndTinyMagnitudes) {
  const Cloud cloud = mixture_cloud(600, 7, 20);
  for (const float factor : {0x1p100f, 0x1p-100f, 0x1p120f}) {
    Cloud scaled = cloud;
    for (float& x : scaled.points) x *= factor;
    for (const Clustering how : kMethods)
      check_equal(cluster(cloud, 32, how), cluster(scaled, 32, how));
    check_equal(group(cloud, 16, 32), group(scaled, 16, 32));
  }
}

// Outliers of 1e30 and of the largest numbers do not hide the clusters of the others.
TEST(KeyClusters, OutliersDoNotHideTheOthers) {
  const Cloud cloud = mixture_cloud(1000, 6, 10);
  Cloud wild = cloud;
  const float largest = std::numeric_limits<float>::max();
  for (const std::int64_t i : {17, 402, 801}) std::fill_n(wild.row(i), 6, 1e30f);
  std::fill_n(wild.row(500), 6, largest);
  std::fill_n(wild.row(501), 6, -largest);
  const double before = spread(cloud, cut_by_position(1000, 60));
  for (const Clustering how : kMethods) {
    const Partition partition = cluster(wild, 60, how);
    ASSERT_NO_FATAL_FAILURE(check_partition(partition, 1000, 60));
    EXPECT_LT(spread(cloud, partition), 0.5 * before);
  }
}

TEST(KeyClusters, PointsThatAreNotFiniteHaveTheirOwnClusters) {
  Cloud cloud = mixture_cloud(1000, 6, 10);
  std::vector<std::int32_t> odd{0, 1, 77, 500, 640, 999};
  for (const std::int32_t i : odd) cloud.row(i)[i % 6] = i % 2 == 0 ? kNan : -kInfinity;
  for (const Clustering how : kMethods) {
    const Partition partition = cluster(cloud, 40, how);
    ASSERT_NO_FATAL_FAILURE(check_partition(partition, 1000, 40));
    const std::vector<float> means = cluster_means(partition, cloud.points.data(), 6, 1);
    for (std::int64_t k = 0; k < partition.size(); ++k) {
      const bool is_odd = std::binary_search(odd.begin(), odd.end(), partition.members(k)[0]);
      for (std::int64_t i = 0; i < partition.members(k).count; ++i)
        ASSERT_EQ(std::binary_search(odd.begin(), odd.end(), partition.members(k)[i]), is_odd);
      ASSERT_NE(is_odd, std::isfinite(std::accumulate(means.begin() + k * 6,
                                                      means.begin() + k * 6 + 6, 0.0)));
    }
  }
}

TEST(KeyClusters, NothingFinite) {
  for (const std::int64_t n : {1, 5, 300}) {
    const Cloud cloud{n, 2, std::vector<float>(static_cast<std::size_t>(2 * n), kNan)};
    for (const Clustering how : kMethods)
      for (const std::int64_t count : {1, 4, 400})
        ASSERT_NO_FATAL_FAILURE(check_partition(cluster(cloud, count, how), n, std::min(n, count)));
    ASSERT_NO_FATAL_FAILURE(check_partition(group(cloud, 4, 8), n, n));
  }
}

// One finite point among others, and one other among finite points, for every count.
TEST(KeyClusters, OneOfAKind) {
  for (const std::int64_t finite : {1, 2, 6, 7}) {
    Cloud cloud = normal_cloud(8, 3);
    for (std::int64_t i = finite; i < 8; ++i) cloud.row(i)[2] = kInfinity;
    for (const Clustering how : kMethods)
      for (std::int64_t count = 1; count < 12; ++count)
        ASSERT_NO_FATAL_FAILURE(
            check_partition(cluster(cloud, count, how), 8, std::min<std::int64_t>(8, count)));
  }
}

TEST(KeyClusters, BadArguments) {
  const Cloud cloud = normal_cloud(4, 2);
  EXPECT_THROW(cluster(cloud, 0, Clustering::tree), Error);
  EXPECT_THROW(cluster({4, 0, {}}, 2, Clustering::tree), Error);
  EXPECT_THROW(cluster({-1, 2, {}}, 2, Clustering::tree), Error);
  EXPECT_THROW(group(cloud, 0, 4), Error);
  EXPECT_THROW(group(cloud, 4, 0), Error);
}

TEST(RowGroups, KeepTheirBounds) {
  for (const std::int64_t n : {0, 1, 5, 100, 1000, 3001})
    for (const std::int64_t target : {1, 16, 64, 5000})
      for (const std::int64_t most : {1, 16, 100, 10000}) {
        const Partition partition = group(mixture_cloud(n, 6, 12), target, most);
        ASSERT_NO_FATAL_FAILURE(check_partition(partition, n, n));
        ASSERT_LE(sizes(partition).second, most);
      }
}

// Without cuts, no group is below a quarter of the target.
TEST(RowGroups, SmallGroupsDissolve) {
  const Partition partition = group(mixture_cloud(3000, 6, 500), 64, 3000);
  EXPECT_GE(sizes(partition).first, 16);
  EXPECT_GE(partition.size(), 8);
}

TEST(RowGroups, LeaveLessVarianceThanACutByPosition) {
  const Cloud cloud = mixture_cloud(4096, 16, 32);
  const Partition partition = group(cloud, 64, 128);
  ASSERT_NO_FATAL_FAILURE(check_partition(partition, cloud.n, 128));
  EXPECT_LT(spread(cloud, partition),
            0.3 * spread(cloud, cut_by_position(cloud.n, partition.size())));
}

TEST(RowGroups, RowsThatAreNotFiniteComeLast) {
  Cloud cloud = mixture_cloud(500, 6, 10);
  for (const std::int64_t i : {3, 4, 5, 6, 7, 250, 499}) cloud.row(i)[2] = kNan;
  const Partition partition = group(cloud, 32, 4);
  ASSERT_NO_FATAL_FAILURE(check_partition(partition, 500, 500));
  const std::vector<std::int32_t> last(partition.ids.end() - 7, partition.ids.end());
  EXPECT_EQ(last, (std::vector<std::int32_t>{3, 4, 5, 6, 7, 250, 499}));
  EXPECT_EQ(partition.begin[partition.begin.size() - 3], 493);  // two groups of at most four
}

}  // namespace
}  // namespace subquad::testing
