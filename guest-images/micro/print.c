/* Text to COM1, and the few functions of string.h that compilers expect. */
#include <stdarg.h>

#include "micro.h"

#define COM1 0x3f8

static char line[512];
static unsigned long used;

/* One string instruction, one exit. The emulated transmitter is always empty. */
static void flush(void) {
  const char *from = line;
  unsigned long count = used;
  __asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(COM1) : "memory");
  used = 0;
}

static void put(char character) {
  if (used == sizeof line) flush();
  line[used++] = character;
}

static void put_number(u64 value, u32 base) {
  char digits[20];
  int count = 0;
  if (base == 16) {
    put('0');
    put('x');
  }
  do {
    digits[count++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value);
  while (count) put(digits[--count]);
}

static void print_arguments(const char *format, va_list arguments) {
  for (; *format; format++) {
    if (*format != '%') {
      put(*format);
      continue;
    }
    switch (*++format) {
      case 's':
        for (const char *text = va_arg(arguments, const char *); *text; text++) put(*text);
        break;
      case 'c': put((char)va_arg(arguments, int)); break;
      case 'u': put_number(va_arg(arguments, u32), 10); break;
      case 'x': put_number(va_arg(arguments, u32), 16); break;
      case 'X': put_number(va_arg(arguments, u64), 16); break;
      default: put('%');
    }
  }
}

void print(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  print_arguments(format, arguments);
  va_end(arguments);
  flush();
}

void fail(const char *format, ...) {
  va_list arguments;
  print("fail: ");
  va_start(arguments, format);
  print_arguments(format, arguments);
  va_end(arguments);
  put('\n');
  flush();
  power_off();
}

void *memset(void *to, int value, unsigned long count) {
  void *start = to;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(value) : "memory");
  return start;
}

void *memcpy(void *to, const void *from, unsigned long count) {
  void *start = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
  return start;
}

int memcmp(const void *a, const void *b, unsigned long count) {
  const u8 *left = a, *right = b;
  for (; count; count--, left++, right++)
    if (*left != *right) return *left - *right;
  return 0;
}

unsigned long strlen(const char *text) {
  const char *end = text;
  while (*end) end++;
  return (unsigned long)(end - text);
}
