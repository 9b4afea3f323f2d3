#include "kafka/property_table.h"

#include "protocol/vocab.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROPERTIES_MAX = 1024 };

struct property_table {
    char *text; /* the printed table, cut into strings */
    size_t n;
    const char *name[PROPERTIES_MAX];
    unsigned sides[PROPERTIES_MAX];
};

/* A row is "name | C/P | range | …", where the second column is C, P or *. Other lines are headings. */
static void read_row(struct property_table *table, char *line)
{
    char *bar = strchr(line, '|');
    if (bar == NULL || table->n == PROPERTIES_MAX)
        return;
    char *side = bar + 1 + strspn(bar + 1, " ");
    if ((*side != 'C' && *side != 'P' && *side != '*') || (side[1] != ' ' && side[1] != '|'))
        return;
    while (bar > line && bar[-1] == ' ')
        bar--;
    *bar = '\0';
    table->name[table->n] = line;
    table->sides[table->n] = *side == 'C' ? PROPERTY_CONSUMER : *side == 'P' ? PROPERTY_PRODUCER : PROPERTY_ANY;
    table->n++;
}

struct property_table *property_table_new(void)
{
    struct property_table *table = calloc(1, sizeof *table);
    size_t bytes;
    char *rest;

    if (table == NULL)
        return NULL;
    FILE *stream = open_memstream(&table->text, &bytes);
    if (stream == NULL)
        goto out;
    rd_kafka_conf_properties_show(stream);
    if (fclose(stream) != 0)
        goto out;
    for (char *line = strtok_r(table->text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        read_row(table, line);
    return table;
out:
    property_table_free(table);
    return NULL;
}

void property_table_free(struct property_table *table)
{
    if (table == NULL)
        return;
    free(table->text);
    free(table);
}

unsigned property_table_sides(const struct property_table *table, const char *property)
{
    const char *bare = property_bare_name(property);
    for (size_t i = 0; i < table->n; i++) {
        if (strcmp(table->name[i], property) == 0 || strcmp(table->name[i], bare) == 0)
            return table->sides[i];
    }
    return PROPERTY_ANY;
}

const char *property_table_nearest(const struct property_table *table, const char *property)
{
    const char *nearest = rxp_nearest(property, table->name, table->n);
    return nearest != NULL ? nearest : rxp_nearest(property_bare_name(property), table->name, table->n);
}

const char *property_bare_name(const char *property)
{
    return strncmp(property, "topic.", 6) == 0 ? property + 6 : property;
}
