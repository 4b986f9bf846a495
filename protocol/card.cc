// SPDX-License-Identifier: Apache-2.0
#include "protocol/card.h"

#include "base/json_full.h"
#include "base/text.h"
#include "protocol/network.h"

namespace cc {

namespace {

constexpr CardKind kCardKinds[] = {CardKind::kTap, CardKind::kMacvtap, CardKind::kPhysical,
                                   CardKind::kVhostUser};
constexpr size_t kMostLinkName = 15;     // IFNAMSIZ, likewise
constexpr size_t kMostSocketPath = 107;  // sun_path, with its NUL

Result<CardKind> ParseCardKind(std::string_view text) {
    for (const CardKind kind : kCardKinds)
        if (text == Name(kind)) return kind;
    return Fail(Cat("a network device of the kind ", Quoted(text), " is unknown"));
}

// It becomes an argument, and part of paths.
Result<void> CheckSource(const Card& card) {
    const std::string& source = card.source;
    if (card.kind == CardKind::kMacvtap &&
        (source.empty() || source.size() > kMostLinkName ||
         source.find_first_of(std::string_view("/\0", 2)) != std::string::npos))
        return Fail(Cat(Quoted(source, 64), " is not the name of a link"));
    if (card.kind == CardKind::kPhysical && !IsPciAddress(source))
        return Fail(Cat(Quoted(source, 64), " is not the address of a PCI device"));
    if (card.kind == CardKind::kVhostUser &&
        (source.empty() || source[0] != '/' || source.size() > kMostSocketPath ||
         source.find('\0') != std::string::npos))
        return Fail(Cat(Quoted(source), " is not the absolute path of a socket"));
    return {};
}

}  // namespace

std::string_view Name(CardKind kind) {
    switch (kind) {
        case CardKind::kTap:
            return "tap";
        case CardKind::kMacvtap:
            return "macvtap";
        case CardKind::kPhysical:
            return "physical";
        case CardKind::kVhostUser:
            return "vhost-user";
    }
    return "tap";
}

bool IsPciAddress(std::string_view text) {
    constexpr std::string_view form = "xxxx:xx:xx.7";
    if (text.size() != form.size()) return false;
    for (size_t i = 0; i < form.size(); ++i) {
        const char c = text[i];
        const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        const bool fits = form[i] == 'x'   ? hex
                          : form[i] == '7' ? c >= '0' && c <= '7'
                                           : c == form[i];
        if (!fits) return false;
    }
    return true;
}

Json ToJson(const Card& card) {
    return {{"nic", card.number}, {"kind", Name(card.kind)}, {"source", card.source}};
}

Result<Card> ParseCard(const Json& json) {
    Card card;
    CC_ASSIGN(const int64_t number, IntMember(json, "nic", 0, 0, kMostNics - 1));
    card.number = static_cast<int>(number);
    CC_ASSIGN(const std::string kind, StringMember(json, "kind", Name(card.kind)));
    CC_ASSIGN(card.kind, ParseCardKind(kind));
    CC_ASSIGN(card.source, StringMember(json, "source"));
    CC_TRY(CheckSource(card));
    if (card.kind != CardKind::kTap && card.number == 0)
        return Fail("device 0 is the tap that a machine begins with");
    return card;
}

}  // namespace cc
