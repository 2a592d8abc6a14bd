#include "tests/conformance/store_conformance.h"

namespace brevdue::tests {

using mail::RecipientStatus;
using queue::Discard;
using queue::Location;
using queue::Settle;

namespace {
void expect_whole(queue::Store& store, const Sample& sample, const Location& location) {
  const auto verified = store.verify(sample.id, location);
  ASSERT_TRUE(verified) << describe(verified.error());
  for (const queue::Damage& damage : verified->damage) {
    ADD_FAILURE() << damage.where << ": " << damage.what;
  }
  EXPECT_TRUE(verified->envelope.view() == sample.envelope.view());
  EXPECT_GE(verified->bytes, sample.envelope.size() + sample.content.size());
}
}  // namespace

TEST_P(StoreConformance, VerificationOfWhatIsWholeFindsNothing) {
  const Sample samples[] = {make_sample(1, 4096, 3), make_sample(2, 100'000), make_sample(3, 0),
                            make_sample(4, 300, 200)};
  start();
  std::vector<Location> locations;
  for (const Sample& sample : samples) {
    locations.push_back(put(sample));
    expect_whole(store(), sample, locations.back());
  }
  for (std::uint32_t sequence = 1; sequence <= 3; ++sequence) {
    const auto later = deferral(sequence, 0, RecipientStatus::deferred, "451 4.4.1 later");
    const auto results = commit(store(), {Settle{samples[0].id, locations[0], later}});
    ASSERT_TRUE(results[0]);
    locations[0] = *results[0];
    expect_whole(store(), samples[0], locations[0]);
  }
  const auto recovered = reopen();
  for (const Sample& sample : samples) {
    expect_whole(store(), sample, recovered.at(sample.id).location);
  }
}

TEST_P(StoreConformance, VerificationOfWhatIsGoneIsNotDamage) {
  const Sample sample = make_sample(1, 4096);
  start();
  const Location location = put(sample);
  ASSERT_TRUE(commit(store(), {Discard{sample.id, location}})[0]);
  const auto verified = store().verify(sample.id, location);
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().code, ErrorCode::not_found);
}

}  // namespace brevdue::tests
