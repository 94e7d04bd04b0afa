package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// referenceBare is what the bare handler took, in CPU seconds per 1,000 requests, on the
// machine that the budgets were made on.
const referenceBare = 0.023

// bareName is the bare handler in the tables.
const bareName = "bare"

// table prints the results as they come, in Markdown, so that they can be published.
type table struct {
	subjects []*subject // Gatehouse first
	speeds   []string   // the rows of the second table
}

func newTable(subjects []*subject) *table { return &table{subjects: subjects} }

// ours is Gatehouse.
func (t *table) ours() *subject { return t.subjects[0] }

func (t *table) begin(rounds int) {
	fmt.Printf("%s\nCPU seconds per 1,000 operations at concurrency %d, median of %d; a code flow is two requests or more\n", machine(), concurrency, rounds)
	fmt.Printf("scaled: as it would be where the bare handler takes %.3f a request, the machine that the budgets were made on\n", referenceBare)
	if len(t.subjects) > 1 {
		fmt.Print("ratio: what the better peer took for each second that Gatehouse took; Gatehouse keeps its state on disk, the peers in memory\n")
	}
	header := []string{"operation", "budget", "scaled", t.ours().name, bareName}
	for _, s := range t.subjects[1:] {
		header = append(header, s.name)
	}
	if len(t.subjects) > 1 {
		header = append(header, "ratio")
	}
	fmt.Printf("\n%s\n", line(append(header, "")))
	fmt.Printf("|---|%s---|\n", strings.Repeat("--:|", len(header)-1))
}

func (t *table) row(name string, budget float64, of map[string]result) {
	o, has := of[t.ours().name]
	b := of[bareName]
	verdict := ""
	if has && budget > 0 && scaled(o, b) > budget {
		verdict = "over budget"
	}
	cells := []string{name, number(budget, budget > 0), number(scaled(o, b), has), number(o.cpuPer1000, has), number(b.cpuPer1000, has)}
	speeds := []string{name, speed(o, has), speed(b, has)}
	least := math.Inf(1)
	for _, s := range t.subjects[1:] {
		r, measured := of[s.name]
		cells, speeds = append(cells, number(r.cpuPer1000, measured)), append(speeds, speed(r, measured))
		if measured {
			least = min(least, r.cpuPer1000)
		}
	}
	if len(t.subjects) > 1 {
		ratio := nothing
		if has && !math.IsInf(least, 1) {
			ratio = fmt.Sprintf("%.1f", least/o.cpuPer1000)
		}
		cells = append(cells, ratio)
	}
	fmt.Println(line(append(cells, verdict)))
	t.speeds = append(t.speeds, line(speeds))
}

// scaled is what an operation would take on the machine that the budgets were made on,
// judged by what the bare handler took for as many requests.
func scaled(ours, bare result) float64 {
	return ours.cpuPer1000 * referenceBare * float64(bare.requests) / bare.cpuPer1000
}

func (t *table) end() error {
	header := []string{"operations per second (p99)", t.ours().name, bareName}
	for _, s := range t.subjects[1:] {
		header = append(header, s.name)
	}
	fmt.Printf("\n%s\n|---|%s\n%s\n\n", line(header), strings.Repeat("--:|", len(header)-1), strings.Join(t.speeds, "\n"))
	for _, s := range t.subjects {
		rss, err := s.processes[0].RSS()
		if err != nil {
			return err
		}
		fmt.Printf("%s: cold start to ready %s; resident memory then %.0f MiB, after the load %.0f MiB\n",
			s.name, s.coldStart.Round(time.Millisecond), s.idle, rss)
	}
	return nil
}

// nothing stands where there is no figure.
const nothing = "–"

func number(n float64, has bool) string {
	if !has {
		return nothing
	}
	return fmt.Sprintf("%.3f", n)
}

func speed(r result, has bool) string {
	if !has {
		return nothing
	}
	return fmt.Sprintf("%.0f (%s)", r.perSecond, r.p99.Round(100*time.Microsecond))
}

// line is a row of a table, wide enough to be read on a terminal too.
func line(cells []string) string {
	var b strings.Builder
	for i, cell := range cells {
		width := 13
		if i == 0 {
			width = -30
		}
		fmt.Fprintf(&b, "| %*s ", width, cell)
	}
	return b.String() + "|"
}
