/* What folding.py, minhash.py and shingles.py compute of many texts with NumPy, to the same bits, one text at
 * a time, so that all of it stays in the processor's nearest cache. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The processor's widest instructions, chosen when the library is loaded. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__)
#define WIDEST __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDEST
#endif

#define AT_ONCE 64 /* permutations whose minima stay in registers */

#ifndef SOURCE
#define SOURCE ""
#endif

/* The SHA-256 of this file when the library was made. */
const char *gukbap_source(void) { return SOURCE; }

/* Kinds of code points, as folding.py has them. */
enum { LETTER = 1, PART = 2, SPACE = 8 };

/* Cut texts into letters and words.
 *
 * points, kinds:   the code points of all texts, and what each is
 * ends:            where each of `texts` ends
 * letters, starts: the code points that words are of, and where each text's begin, with the end; written
 * spans:           texts × 2: where all that can make fixed parts begins and ends; written
 * word_ends:       behind which of its text's letters each word ends; written
 * words:           how many words end before each text, and in all; written */
void gukbap_cut(const uint32_t *points, const uint8_t *kinds, const int64_t *ends, int64_t texts,
                uint32_t *letters, int64_t *starts, int64_t *spans, int64_t *word_ends, int64_t *words)
{
    int64_t begin = 0, written = 0, word = 0;
    for (int64_t text = 0; text < texts; text++) {
        const int64_t end = ends[text];
        uint8_t every = 0;
        for (int64_t place = begin; place < end; place++)
            every |= kinds[place];
        int64_t first = begin, last = every & PART ? end : begin;
        while (first < last && !(kinds[first] & PART))
            first++;
        while (last > first && !(kinds[last - 1] & PART))
            last--;
        /* The signs of a number are among the two characters before it. */
        first -= first - begin < 2 ? first - begin : 2;
        spans[2 * text] = last > begin ? first - begin : 0;
        spans[2 * text + 1] = last - begin;
        /* A text without letters is of whatever is no space. */
        const uint8_t mask = every & LETTER ? LETTER : SPACE, wanted = every & LETTER ? LETTER : 0;
        const int64_t start = starts[text] = written;
        words[text] = word;
        int inside = 0;
        /* Written in any case and then passed over or not: branches that cannot be foretold cost more. */
        for (int64_t place = begin; place < end; place++) {
            const int is_letter = (kinds[place] & mask) == wanted;
            word_ends[word] = written - start;
            word += inside & !is_letter;
            letters[written] = points[place];
            written += is_letter;
            inside = is_letter;
        }
        if (inside)
            word_ends[word++] = written - start;
        begin = end;
    }
    starts[texts] = written;
    words[texts] = word;
}

/* The bijective finaliser of MurmurHash3 (Appleby). */
static inline uint32_t mix32(uint32_t value)
{
    value = (value ^ (value >> 16)) * 0x85EBCA6Bu;
    value = (value ^ (value >> 13)) * 0xC2B2AE35u;
    return value ^ (value >> 16);
}

/* A hash of the shingle of `length` code points that begins at each of `count` places. */
WIDEST static void hash_shingles(const uint32_t *points, int64_t count, int64_t length, uint32_t *hashes)
{
    memset(hashes, 0, (size_t)count * sizeof *hashes);
    for (int64_t column = 0; column < length; column++)
        for (int64_t place = 0; place < count; place++)
            hashes[place] = mix32(hashes[place] ^ points[place + column]);
}

/* The least product of any hash with each factor, modulo 2^32. */
WIDEST static void find_minima(const uint32_t *hashes, int64_t count, const uint32_t *factors,
                               int64_t permutations, uint32_t *minima)
{
    for (int64_t first = 0; first < permutations; first += AT_ONCE) {
        const int64_t some = permutations - first < AT_ONCE ? permutations - first : AT_ONCE;
        uint32_t factor[AT_ONCE] = {0}, least[AT_ONCE];
        memcpy(factor, factors + first, (size_t)some * sizeof *factor);
        memset(least, 0xFF, sizeof least);
        for (int64_t place = 0; place < count; place++) {
            const uint32_t hash = hashes[place];
            for (int column = 0; column < AT_ONCE; column++) {
                const uint32_t product = hash * factor[column];
                least[column] = product < least[column] ? product : least[column];
            }
        }
        memcpy(minima + first, least, (size_t)some * sizeof *minima);
    }
}

/* Sign texts.
 *
 * points, starts:  the folded code points of all texts, and where each of `texts` begins, with the end
 * numbers:         of each text, what its numbers add to every other band
 * length:          code points of a shingle
 * factors:         one for each permutation
 * band_factors:    one for each of the `rows` minima of a band
 * keys:            bands × texts, written
 * sketches:        texts × width bytes, zeros, written: a bit of each minimum, the highest bit first
 *
 * Returns 0, or 1 where there is no memory. */
int gukbap_sign(const uint32_t *points, const int64_t *starts, int64_t texts, const uint64_t *numbers,
                int64_t length, const uint32_t *factors, int64_t permutations, int64_t bands, int64_t rows,
                const uint64_t *band_factors, uint32_t *keys, uint8_t *sketches, int64_t width)
{
    int64_t most = 1;
    for (int64_t text = 0; text < texts; text++)
        if (starts[text + 1] - starts[text] > most)
            most = starts[text + 1] - starts[text];
    uint32_t *hashes = malloc((size_t)most * sizeof *hashes);
    uint32_t *minima = malloc((size_t)permutations * sizeof *minima);
    uint32_t *padded = malloc((size_t)length * sizeof *padded);
    const int made = hashes && minima && padded;
    for (int64_t text = 0; made && text < texts; text++) {
        const uint32_t *own = points + starts[text];
        int64_t count = starts[text + 1] - starts[text] - length + 1;
        if (count < 1) { /* shorter than a shingle: filled up with zeros, it is one */
            memset(padded, 0, (size_t)length * sizeof *padded);
            memcpy(padded, own, (size_t)(count + length - 1) * sizeof *padded);
            own = padded;
            count = 1;
        }
        hash_shingles(own, count, length, hashes);
        find_minima(hashes, count, factors, permutations, minima);
        for (int64_t band = 0; band < bands; band++) {
            uint64_t key = band % 2 ? 0 : numbers[text];
            for (int64_t row = 0; row < rows; row++)
                key += minima[band * rows + row] * band_factors[row];
            keys[band * texts + text] = (uint32_t)(key >> 32);
        }
        for (int64_t place = 0; place < permutations; place++)
            sketches[text * width + place / 8] |= (uint8_t)((mix32(minima[place]) & 1) << (7 - place % 8));
    }
    free(hashes);
    free(minima);
    free(padded);
    return !made;
}

/* Shingles of two texts; slots of earlier pairs are free. */
struct table {
    uint64_t *numbers;
    uint32_t *marks;
    uint64_t mask;
};

/* Where a number stands, or would: marks below `least` are free. */
static uint64_t slot_of(const struct table *table, uint64_t number, uint32_t least)
{
    uint64_t slot = (number * 0x9E3779B97F4A7C15u >> 32) & table->mask;
    while (table->marks[slot] >= least && table->numbers[slot] != number)
        slot = (slot + 1) & table->mask;
    return slot;
}

/* The shingle of `length` code points, of which `left` are there, as one number. */
static uint64_t shingle(const uint32_t *points, int64_t left, int64_t length)
{
    uint64_t number = 0;
    for (int64_t column = 0; column < length; column++)
        number = number << 21 | (column < left ? points[column] + 1u : 0u);
    return number;
}

/* The Jaccard similarity of one pair, whose shingles are marked `mark`, or one more once both, or the second
 * alone, have them. */
static double jaccard(struct table *table, uint32_t mark, const uint32_t *one, int64_t length_of_one,
                      const uint32_t *other, int64_t length_of_other, int64_t length)
{
    int64_t first = 0, second = 0, shared = 0, place = 0;
    do { /* a text shorter than a shingle is its own */
        const uint64_t number = shingle(one + place, length_of_one - place, length);
        const uint64_t slot = slot_of(table, number, mark);
        first += table->marks[slot] < mark;
        table->numbers[slot] = number;
        table->marks[slot] = mark;
    } while (++place + length <= length_of_one);
    place = 0;
    do {
        const uint64_t number = shingle(other + place, length_of_other - place, length);
        const uint64_t slot = slot_of(table, number, mark);
        shared += table->marks[slot] == mark;
        second += table->marks[slot] < mark;
        table->numbers[slot] = number;
        table->marks[slot] = mark + 1;
    } while (++place + length <= length_of_other);
    return (double)shared / (double)(first + second);
}

/* The Jaccard similarities of the shingles of pairs of texts.
 *
 * points, ends:    the code points of all texts, and where each of `texts` ends
 * left, right:     which two texts each of `pairs` is of; fewer than 2^31 pairs
 * length:          code points of a shingle, three at the most
 * jaccards:        written
 *
 * Returns 0, or 1 where there is no memory. */
int gukbap_jaccards(const uint32_t *points, const int64_t *ends, int64_t texts, const int64_t *left,
                    const int64_t *right, int64_t pairs, int64_t length, double *jaccards)
{
    int64_t most = 1;
    for (int64_t text = 0; text < texts; text++) {
        const int64_t size = ends[text] - (text ? ends[text - 1] : 0);
        most = size > most ? size : most;
    }
    uint64_t slots = 16;
    while (slots < 4 * (uint64_t)most)
        slots *= 2;
    struct table table = {malloc(slots * sizeof(uint64_t)), calloc(slots, sizeof(uint32_t)), slots - 1};
    const int made = table.numbers && table.marks;
    for (int64_t pair = 0; made && pair < pairs; pair++) {
        const int64_t one = left[pair] ? ends[left[pair] - 1] : 0;
        const int64_t other = right[pair] ? ends[right[pair] - 1] : 0;
        jaccards[pair] = jaccard(&table, 2 * (uint32_t)pair + 1, points + one, ends[left[pair]] - one,
                                 points + other, ends[right[pair]] - other, length);
    }
    free(table.numbers);
    free(table.marks);
    return !made;
}
