#include "table.h"

#include <stdarg.h>
#include <string.h>

enum { GAP = 2, WRAP_MIN = 12 };

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->cells; i++)
		free(t->cell[i].text);
	free(t->cell);
	t->cell = NULL;
	t->cells = 0;
}

static void add(struct table *t, enum colour c, char *text)
{
	t->cell = text_alloc(t->cell, (t->cells + 1) * sizeof(*t->cell));
	t->cell[t->cells++] = (struct table_cell){.text = text, .colour = c};
}

void table_add(struct table *t, enum colour c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	_cleanup_free_ char *raw = text_vprintf(fmt, ap);
	va_end(ap);
	add(t, c, text_clean(raw, strlen(raw)));
}

void table_end_row(struct table *t)
{
	while (t->cells % t->columns)
		add(t, PLAIN, text_clean("", 0));
}

/* Where a line of at most `columns` ends: after the last blank or comma that fits, else wherever it is full. */
static size_t break_at(const char *s, size_t columns)
{
	size_t fit = text_fit(s, columns);

	if (s[fit] == '\0' || s[fit] == ' ')
		return fit;
	for (size_t i = fit; i > 0; i--)
		if (s[i - 1] == ' ' || s[i - 1] == ',')
			return i;
	if (fit == 0) /* one character wider than the column: print it rather than loop for ever */
		return text_fit(s, 2) ? text_fit(s, 2) : strlen(s);
	return fit;
}

static void blanks(FILE *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)fputc(' ', out);
}

/* One line of a row. rest[] is what each cell still has to print; blanks after the last text are held back. */
static bool print_line(FILE *out, const struct table *t, const struct table_cell *row, const size_t *width,
		       const char **rest)
{
	size_t owed = t->indent;
	bool more = false;

	for (size_t c = 0; c < t->columns; c++) {
		if (width[c] == 0)
			continue;
		size_t n = t->column[c].wrap ? break_at(rest[c], width[c]) : strlen(rest[c]);
		size_t end = n;
		while (end > 0 && rest[c][end - 1] == ' ')
			end--;
		_cleanup_free_ char *piece = text_printf("%.*s", (int)end, rest[c]);
		size_t pad = text_width(piece) < width[c] ? width[c] - text_width(piece) : 0;

		if (*piece) {
			blanks(out, owed + (t->column[c].right ? pad : 0));
			const char *on = text_colour(row ? row[c].colour : BOLD);
			(void)fprintf(out, "%s%s%s", on, piece, *on ? text_plain() : "");
			owed = t->column[c].right ? 0 : pad;
		} else {
			owed += width[c];
		}
		owed += GAP;
		rest[c] += n;
		while (*rest[c] == ' ')
			rest[c]++;
		more = more || *rest[c];
	}
	(void)fputc('\n', out);
	return more;
}

static void print_row(FILE *out, const struct table *t, const struct table_cell *row, const size_t *width)
{
	const char *rest[TABLE_COLUMNS];

	for (size_t c = 0; c < t->columns; c++) {
		rest[c] = row ? row[c].text : t->column[c].title;
		if (!rest[c])
			rest[c] = "";
	}
	while (print_line(out, t, row, width, rest))
		;
}

/* Takes what is too much from the column that gives way. */
static void shrink(const struct table *t, size_t *width, unsigned columns)
{
	size_t total = t->indent, wrap = t->columns;

	for (size_t c = 0; c < t->columns; c++) {
		if (width[c] == 0)
			continue;
		total += width[c] + (total > t->indent ? GAP : 0);
		if (t->column[c].wrap)
			wrap = c;
	}
	if (columns == 0 || total <= columns || wrap == t->columns)
		return;
	size_t excess = total - columns;
	if (width[wrap] >= excess + WRAP_MIN)
		width[wrap] -= excess;
	else if (width[wrap] > WRAP_MIN)
		width[wrap] = WRAP_MIN;
}

void table_print(FILE *out, struct table *t, unsigned columns)
{
	size_t width[TABLE_COLUMNS] = {0};
	bool titles = false;

	table_end_row(t);
	if (t->cells == 0)
		return;
	for (size_t i = 0; i < t->cells; i++) {
		size_t w = text_width(t->cell[i].text);
		if (w > width[i % t->columns])
			width[i % t->columns] = w;
	}
	for (size_t c = 0; c < t->columns; c++) {
		size_t w = t->column[c].title ? text_width(t->column[c].title) : 0;
		titles = titles || w;
		if (width[c] && w > width[c])
			width[c] = w;
	}
	shrink(t, width, columns);
	if (titles)
		print_row(out, t, NULL, width);
	for (size_t i = 0; i < t->cells; i += t->columns)
		print_row(out, t, t->cell + i, width);
}
