# LSBRIDGE_OPTIONS: what a builder may choose.
AC_DEFUN([LSBRIDGE_OPTIONS], [
  AC_ARG_ENABLE([werror],
    AS_HELP_STRING([--enable-werror], [treat compiler warnings as errors]), [], [enable_werror=no])
  AC_ARG_ENABLE([sanitizers],
    AS_HELP_STRING([--enable-sanitizers], [build with AddressSanitizer and UndefinedBehaviorSanitizer]),
    [], [enable_sanitizers=no])
  AC_ARG_ENABLE([coverage],
    AS_HELP_STRING([--enable-coverage], [build for gcov]), [], [enable_coverage=no])
  AC_ARG_ENABLE([fuzzing],
    AS_HELP_STRING([--enable-fuzzing], [build the fuzz targets with libFuzzer, and with sanitizers (needs clang)]),
    [], [enable_fuzzing=no])
  AC_ARG_WITH([systemdsystemunitdir],
    AS_HELP_STRING([--with-systemdsystemunitdir=DIR], [where unit files go (default PREFIX/lib/systemd/system)]),
    [], [with_systemdsystemunitdir='${prefix}/lib/systemd/system'])
  AC_SUBST([systemdsystemunitdir], [$with_systemdsystemunitdir])
  AM_CONDITIONAL([ENABLE_FUZZING], [test "$enable_fuzzing" = yes])
])

# LSBRIDGE_TRY_FLAG(VARIABLE, FLAG): appends FLAG to VARIABLE if the compiler takes it without a word.
AC_DEFUN([LSBRIDGE_TRY_FLAG], [
  AS_VAR_PUSHDEF([cache], [AS_TR_SH([lsbridge_cv_flag_$2])])
  AC_CACHE_CHECK([whether $CC takes $2], [cache], [
    saved_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS -Werror $2"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])
    CFLAGS=$saved_CFLAGS
  ])
  AS_VAR_IF([cache], [yes], [$1="$$1 $2"])
  AS_VAR_POPDEF([cache])
])

# LSBRIDGE_COMPILER_FLAGS: C17 with GNU attributes, every warning worth having, hardening; each probed.
AC_DEFUN([LSBRIDGE_COMPILER_FLAGS], [
  WARNING_FLAGS=
  m4_foreach_w([flag], [-Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wold-style-definition -Wpointer-arith -Wwrite-strings -Wundef -Wformat=2 -Wformat-signedness
    -Wimplicit-fallthrough -Wswitch-enum -Wvla -Wdouble-promotion -Wlogical-op
    -Wduplicated-cond -Wduplicated-branches -Wcast-qual -Wcast-align -Wconversion -Wunused-macros
    -Wno-gnu-statement-expression -Wno-gnu-zero-variadic-macro-arguments],
    [LSBRIDGE_TRY_FLAG([WARNING_FLAGS], flag)])
  AS_IF([test "$enable_werror" = yes], [WARNING_FLAGS="$WARNING_FLAGS -Werror"])

  HARDENING_FLAGS=
  m4_foreach_w([flag], [-fstack-protector-strong -fstack-clash-protection -fcf-protection -fno-common
    -fPIE], [LSBRIDGE_TRY_FLAG([HARDENING_FLAGS], flag)])
  HARDENING_LDFLAGS="-pie -Wl,-z,relro -Wl,-z,now"

  INSTRUMENT_FLAGS=
  AS_IF([test "$enable_fuzzing" = yes], [
    AC_MSG_CHECKING([whether $CC has libFuzzer])
    saved_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS -fsanitize=fuzzer-no-link"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [AC_MSG_RESULT([yes])],
      [AC_MSG_RESULT([no]); AC_MSG_ERROR([--enable-fuzzing needs clang: configure with CC=clang])])
    CFLAGS=$saved_CFLAGS
    enable_sanitizers=yes
  ])
  AS_IF([test "$enable_sanitizers" = yes], [
    INSTRUMENT_FLAGS="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
  ], [HARDENING_CPPFLAGS="-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"])
  AS_IF([test "$enable_fuzzing" = yes], [INSTRUMENT_FLAGS="$INSTRUMENT_FLAGS -fsanitize=fuzzer-no-link"])
  AS_IF([test "$enable_coverage" = yes], [
    INSTRUMENT_FLAGS="$INSTRUMENT_FLAGS --coverage -O0"
    HARDENING_CPPFLAGS=
  ])
  AC_SUBST([WARNING_FLAGS])
  AC_SUBST([HARDENING_FLAGS])
  AC_SUBST([HARDENING_CPPFLAGS])
  AC_SUBST([HARDENING_LDFLAGS])
  AC_SUBST([INSTRUMENT_FLAGS])
])

# LSBRIDGE_WSLAY: wslay ships no .pc file.
AC_DEFUN([LSBRIDGE_WSLAY], [
  AC_CHECK_HEADER([wslay/wslay.h], [], [AC_MSG_ERROR([wslay/wslay.h is missing (Debian: libwslay-dev)])])
  AC_CHECK_LIB([wslay], [wslay_event_context_client_init], [WSLAY_LIBS=-lwslay],
    [AC_MSG_ERROR([libwslay is missing (Debian: libwslay-dev)])])
  wslay_version=$(echo '#include <wslay/wslay.h>
WSLAY_VERSION' | $CC -E -P - 2>/dev/null | tail -n 1 | tr -d '"')
  AC_SUBST([WSLAY_LIBS])
])
