/*
 * A table in memory, printed aligned: columns as wide as their widest cell, counted in terminal columns.
 * At most one column gives way where the terminal is too narrow: its text goes on in further lines.
 * A column without a single text in it is not printed.
 */
#pragma once

#include "text.h"

#include <stdio.h>

enum { TABLE_COLUMNS = 8 };

struct table_column {
	const char *title; /* NULL in all of them: no line of titles */
	bool right;	   /* numbers */
	bool wrap;	   /* this one gives way */
};

struct table {
	const struct table_column *column;
	size_t columns; /* at most TABLE_COLUMNS */
	unsigned indent;
	struct table_cell {
		char *text;
		enum colour colour;
	} * cell;
	size_t cells;
};

#define _cleanup_table_ __attribute__((cleanup(table_free)))
void table_free(struct table *t);

/* The next cell, row by row. The text is cleaned (text_clean). */
void table_add(struct table *t, enum colour c, const char *fmt, ...) PRINTF(3, 4);

/* Fills up the row that was begun with empty cells. */
void table_end_row(struct table *t);

/* columns: of the terminal, 0 for no limit. An empty table prints nothing, not even its titles. */
void table_print(FILE *out, struct table *t, unsigned columns);
