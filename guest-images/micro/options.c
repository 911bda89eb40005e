/* The kernel command line, found through PVH's start information: words of the form key=value. */
#include "micro.h"

struct hvm_start_info {
  u32 magic, version, flags, module_count;
  u64 modules, command_line, rsdp, memory_map;
  u32 memory_map_count, reserved;
};

const char *command_line = "";

void options_start(const struct hvm_start_info *info) {
  if (info->magic != 0x336ec578) fail("not entered by PVH");
  if (info->command_line) command_line = (const char *)info->command_line;
}

const char *option(const char *key) {
  unsigned long length = strlen(key);
  const char *word = command_line;
  while (*word) {
    if (!memcmp(word, key, length) && word[length] == '=') return word + length + 1;
    while (!is_space(*word)) word++;
    while (*word && is_space(*word)) word++;
  }
  return 0;
}

u64 option_number(const char *key, u64 fallback) {
  const char *text = option(key);
  if (!text) return fallback;
  u64 value = 0;
  u32 base = 10;
  if (text[0] == '0' && text[1] == 'x') {
    base = 16;
    text += 2;
  }
  for (; !is_space(*text); text++) {
    u32 digit = *text <= '9' ? (u32)(*text - '0') : (u32)((*text | 0x20) - 'a' + 10);
    value = value * base + digit;
  }
  return value;
}

int option_is(const char *key, const char *word) {
  const char *text = option(key);
  unsigned long length = strlen(word);
  return text && !memcmp(text, word, length) && is_space(text[length]);
}

void option_text(const char *key, char *to, unsigned long size) {
  const char *text = option(key);
  for (; text && !is_space(*text) && size > 1; size--) *to++ = *text++;
  *to = '\0';
}
