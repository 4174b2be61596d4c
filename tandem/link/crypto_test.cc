#include "tandem/link/crypto.h"

#include <gtest/gtest.h>

#include "tandem/link/testing.h"

namespace tandem::link {
namespace {

using Direction = FrameCipher::Direction;

Key key_of(std::uint8_t fill) {
  Key key;
  key.fill(fill);
  return key;
}

struct SealedFrame {
  Bytes header, body;
  FrameCipher::Tag tag;
};

SealedFrame seal(FrameCipher& cipher, std::string_view header, std::string_view text) {
  SealedFrame frame{text_bytes(header), text_bytes(text), {}};
  cipher.begin(frame.header);
  cipher.update(frame.body, frame.body.data());
  frame.tag = cipher.finish_sealing();
  return frame;
}

bool opens(FrameCipher& cipher, SealedFrame frame) {
  cipher.begin(frame.header);
  cipher.update(frame.body, frame.body.data());
  return cipher.finish_opening(frame.tag);
}

// RFC 5869, appendix A.1.
TEST(Hkdf, agrees_with_the_rfc) {
  const Bytes input(22, 0x0b), salt = from_hex("000102030405060708090a0b0c"), info = from_hex("f0f1f2f3f4f5f6f7f8f9");
  const Key key = hkdf_extract(salt, input);
  EXPECT_EQ(to_hex(key), "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
  EXPECT_EQ(to_hex(hkdf_expand(key, std::string(info.begin(), info.end()))),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
}

TEST(KeyExchange, gives_both_ends_the_same_key_and_others_another) {
  const KeyExchange a, b, stranger;
  EXPECT_EQ(a.agree(b.public_key()), b.agree(a.public_key()));
  EXPECT_NE(a.agree(b.public_key()), stranger.agree(b.public_key()));
}

TEST(KeyExchange, refuses_points_of_small_order) {
  Key one{};
  one[0] = 1;
  for (const Key& point : {Key{}, one}) {
    EXPECT_EQ(error_of([&] { KeyExchange().agree(point); }).code(), Code::kCorrupt);
  }
}

TEST(FrameCipher, opens_what_was_sealed_in_whatever_pieces) {
  const Bytes plain = patterned_bytes(100'003);
  for (const std::size_t piece_bytes : {std::size_t{16}, std::size_t{4096}, plain.size()}) {
    FrameCipher sealer(Direction::kSeal, key_of(1)), opener(Direction::kOpen, key_of(1));
    Bytes bytes = plain;
    sealer.begin(text_bytes("header"));
    sealer.update(bytes, bytes.data());
    const auto tag = sealer.finish_sealing();
    EXPECT_NE(bytes, plain);
    opener.begin(text_bytes("header"));
    for (std::size_t at = 0; at < bytes.size(); at += piece_bytes) {
      const auto piece = std::span(bytes).subspan(at, std::min(piece_bytes, bytes.size() - at));
      opener.update(piece, piece.data());
    }
    EXPECT_TRUE(opener.finish_opening(tag));
    EXPECT_EQ(bytes, plain);
  }
}

TEST(FrameCipher, notices_a_changed_header_body_or_tag) {
  FrameCipher sealer(Direction::kSeal, key_of(1));
  const SealedFrame frame = seal(sealer, "header", "body");
  SealedFrame header = frame, body = frame, tag = frame;
  header.header[0] ^= 1;
  body.body[3] ^= 0x80;
  tag.tag[15] ^= 1;
  for (const SealedFrame& changed : {header, body, tag}) {
    FrameCipher opener(Direction::kOpen, key_of(1));
    EXPECT_FALSE(opens(opener, changed));
  }
  FrameCipher opener(Direction::kOpen, key_of(1));
  EXPECT_TRUE(opens(opener, frame));
}

TEST(FrameCipher, notices_repeated_left_out_and_foreign_frames) {
  FrameCipher sealer(Direction::kSeal, key_of(1));
  const SealedFrame first = seal(sealer, "h", "same"), second = seal(sealer, "h", "same");
  EXPECT_NE(first.body, second.body);
  FrameCipher repeated(Direction::kOpen, key_of(1)), left_out(Direction::kOpen, key_of(1)),
      foreign(Direction::kOpen, key_of(2));
  EXPECT_TRUE(opens(repeated, first));
  EXPECT_FALSE(opens(repeated, first));
  EXPECT_FALSE(opens(left_out, second));
  EXPECT_FALSE(opens(foreign, first));
}

}  // namespace
}  // namespace tandem::link
