#include "ctl/screen.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

/* Its macros do not survive our warnings. */
#define NCURSES_NOMACROS
#include <curses.h>
#include <term.h>
/* Two of the hundreds of words that term.h takes. */
#undef columns
#undef lines

#include "ctl/snapshot.h"

struct screen {
    SCREEN *terminal;
    size_t first;  /* of the lines below the head: the one on top */
    size_t hidden; /* lines that do not fit, from the first on */
};

/* newterm() would say so as well, but loses memory then. */
static bool is_known(void)
{
    int why;
    bool known = setupterm(NULL, STDOUT_FILENO, &why) == OK;
    if (known)
        del_curterm(cur_term);
    return known;
}

int screen_open(struct screen **ret, struct buf *error)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        buf_add_text(error, "top needs a terminal; --json does not");
        return SCREEN_FAILED;
    }
    struct screen *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    setlocale(LC_CTYPE, ""); /* what the terminal calls a character */
    s->terminal = is_known() ? newterm(NULL, stdout, stdin) : NULL;
    if (!s->terminal) {
        const char *name = getenv("TERM");
        buf_printf(error, "a terminal of the kind \"%s\" ($TERM) cannot be used", name ? name : "");
        free(s);
        return SCREEN_FAILED;
    }
    cbreak();
    noecho();
    nonl();
    curs_set(0);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(25);
    *ret = s;
    return 0;
}

void screen_close(struct screen *s)
{
    if (!s)
        return;
    endwin();
    delscreen(s->terminal);
    free(s);
}

/* How many bytes of TEXT fit in WIDTH columns. */
static size_t fitting(struct span text, int width)
{
    mbstate_t state = {0};
    size_t at = 0;
    while (at < text.len) {
        wchar_t c;
        size_t n = mbrtowc(&c, text.at + at, text.len - at, &state);
        bool known = n != 0 && n != (size_t)-1 && n != (size_t)-2;
        int columns = known ? wcwidth(c) : 1;
        if (columns < 0 || columns > width)
            return at;
        width -= columns;
        at += known ? n : 1;
        if (!known)
            state = (mbstate_t){0};
    }
    return at;
}

static void show_line(int row, struct span text, chtype attributes)
{
    wmove(stdscr, row, 0);
    wattrset(stdscr, (int)attributes);
    waddnstr(stdscr, text.len ? text.at : "", (int)fitting(text, getmaxx(stdscr)));
    wattrset(stdscr, A_NORMAL);
}

static void show_styled(int row, struct span line)
{
    chtype attributes = line.len && line.at[0] == SNAPSHOT_TITLE     ? A_REVERSE
                        : line.len && line.at[0] == SNAPSHOT_TROUBLE ? A_BOLD
                                                                     : A_NORMAL;
    show_line(row, span_from(line, line.len ? 1 : 0), attributes);
}

static size_t count_lines(struct span lines)
{
    size_t n = 0;
    for (size_t i = 0; i < lines.len; i++)
        n += lines.at[i] == '\n';
    return n;
}

/* What is scrolled to stays within what there is. */
static size_t place(struct screen *s, size_t body, size_t rows)
{
    s->hidden = body > rows ? body - rows : 0;
    if (s->first > s->hidden)
        s->first = s->hidden;
    return s->first;
}

void screen_show(struct screen *s, struct span lines, size_t head, const char *notice)
{
    size_t n = count_lines(lines), height = (size_t)getmaxy(stdscr),
           rows = height > head + 1 ? height - head - 1 : 0;
    size_t first = place(s, n > head ? n - head : 0, rows);
    struct span line;
    werase(stdscr);
    for (size_t i = 0; lines.len && span_cut(&lines, '\n', &line); i++) {
        size_t row = i < head ? i : i - first;
        if ((i < head || i >= head + first) && row + 1 < height)
            show_styled((int)row, line);
    }
    char keys[64] = "q quits";
    if (s->hidden)
        snprintf(keys, sizeof keys, "q quits, arrows scroll (%zu of %zu)", first, s->hidden);
    show_line((int)height - 1, span_of(notice ? notice : keys), notice ? A_BOLD : A_DIM);
    wrefresh(stdscr);
}

void screen_resize(struct screen *s)
{
    (void)s;
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
        resizeterm(size.ws_row, size.ws_col);
}

static void scroll_by(struct screen *s, size_t n, bool down)
{
    if (down)
        s->first = s->hidden - s->first > n ? s->first + n : s->hidden;
    else
        s->first = s->first > n ? s->first - n : 0;
}

enum screen_key screen_key(struct screen *s)
{
    size_t page = (size_t)getmaxy(stdscr) / 2;
    switch (wgetch(stdscr)) {
    case ERR: return SCREEN_NOTHING;
    case 'q':
    case 'Q': return SCREEN_QUIT;
    case KEY_DOWN:
    case 'j': scroll_by(s, 1, true); return SCREEN_SCROLL;
    case KEY_UP:
    case 'k': scroll_by(s, 1, false); return SCREEN_SCROLL;
    case KEY_NPAGE:
    case ' ': scroll_by(s, page, true); return SCREEN_SCROLL;
    case KEY_PPAGE: scroll_by(s, page, false); return SCREEN_SCROLL;
    case KEY_HOME: scroll_by(s, s->hidden, false); return SCREEN_SCROLL;
    case KEY_END: scroll_by(s, s->hidden, true); return SCREEN_SCROLL;
    case 'L' & 0x1f: wclear(stdscr); return SCREEN_SCROLL;
    default: return SCREEN_OTHER;
    }
}
