package org.polyrank.opensearch;

/** How long the last search of a request lately took on this node: that much of a deadline must be left when it starts. */
final class LastSearch {
    /** What is left of the longest one after another search: a pause is remembered for some dozens of searches. */
    private static final double MEMORY = 0.97;
    /** Of the deadline, the most that is set aside. */
    private static final int MOST = 4;

    private double longestMs;

    synchronized void observe(double ms) {
        longestMs = Math.max(ms, MEMORY * longestMs);
    }

    /** Milliseconds to set aside of this deadline. */
    synchronized long reserve(long deadlineMs) {
        return Math.min(Math.round(longestMs), deadlineMs / MOST);
    }
}
