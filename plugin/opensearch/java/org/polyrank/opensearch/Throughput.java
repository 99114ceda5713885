package org.polyrank.opensearch;

/** How long a document has lately taken the model services, so that a window can be cut to the time that is left. */
final class Throughput {
    /** Share of the newest call in the running mean. */
    private static final double NEWEST = 0.2;
    /** Of the time left, what the documents may take; the rest is for the last search and for bad luck. */
    private static final double USABLE = 0.8;
    private static final int SMALLEST_WINDOW = 5;

    private double msPerDocument; // 0: nothing known yet

    synchronized void observe(int documents, double ms) {
        double now = ms / documents;
        msPerDocument = msPerDocument == 0 ? now : NEWEST * now + (1 - NEWEST) * msPerDocument;
    }

    /** How many of `window` documents fit into this time: all of them as long as nothing is known, never fewer than a few. */
    synchronized int fitting(int window, long leftMs) {
        if (msPerDocument == 0) return window;
        return (int) Math.max(Math.min(SMALLEST_WINDOW, window), Math.min(window, USABLE * leftMs / msPerDocument));
    }
}
