package cli

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gatehouse-dev/gatehouse/controllers"
	"github.com/gatehouse-dev/gatehouse/server/adoption"
)

// show prints what an administrator has to know to judge.
func (a adopter) show(foreign []controllers.Owned, found []adoption.Proposal) error {
	w := a.cmd.OutOrStdout()
	switch {
	case a.output == "json":
		return printAdoptionsJSON(w, foreign, found)
	case len(foreign)+len(found) == 0:
		fmt.Fprintln(w, "nothing to adopt")
		return nil
	case len(found) == 0:
		return showForeign(w, foreign)
	case len(foreign) > 0:
		if err := showForeign(w, foreign); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "KIND\tOBJECT\tORGANIZATION\tGONE\tLIVES AGAIN\tENDS\tGOES ON AS")
	for _, p := range found {
		as := p.ID
		if p.Refused != "" {
			as = "no: " + p.Refused
		}
		organization := p.Organization
		if organization == "" {
			organization = "-"
		}
		fmt.Fprintf(table, "%s\t%s/%s\t%s\t%s\t%s\t%s\t%s\n", p.Kind, p.Namespace, p.Name.Name, organization,
			p.GoneAt.UTC().Format(time.RFC3339), counted(p.Revived), counted(p.Ended), as)
	}
	return table.Flush()
}

func counted(c adoption.Count) string {
	var parts []string
	for _, of := range []struct {
		n    int
		what string
	}{{c.Grants, "grant"}, {c.Consents, "consent"}, {c.Sessions, "session"}} {
		switch of.n {
		case 0:
		case 1:
			parts = append(parts, "1 "+of.what)
		default:
			parts = append(parts, fmt.Sprintf("%d %ss", of.n, of.what))
		}
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

func printAdoptionsJSON(w io.Writer, foreign []controllers.Owned, found []adoption.Proposal) error {
	type count struct {
		Grants   int `json:"grants"`
		Consents int `json:"consents"`
		Sessions int `json:"sessions"`
	}
	type row struct {
		Kind         string     `json:"kind"`
		Namespace    string     `json:"namespace"`
		Name         string     `json:"name"`
		UID          string     `json:"uid"`
		Owner        string     `json:"owner,omitempty"` // another installation's ID: it is taken over
		ID           string     `json:"id,omitempty"`
		Organization string     `json:"organization,omitempty"`
		GoneAt       *time.Time `json:"goneAt,omitempty"`
		LivesAgain   *count     `json:"livesAgain,omitempty"`
		Ends         *count     `json:"ends,omitempty"`
		Refused      string     `json:"refused,omitempty"`
	}
	rows := make([]row, 0, len(foreign)+len(found))
	for _, o := range foreign {
		rows = append(rows, row{
			Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, UID: o.UID, Owner: o.Owner, Organization: organizationName(o), Refused: o.Refused,
		})
	}
	for _, p := range found {
		gone, lives, ends := p.GoneAt.UTC(), count(p.Revived), count(p.Ended)
		rows = append(rows, row{
			Kind: p.Kind, Namespace: p.Namespace, Name: p.Name.Name, UID: p.UID, ID: p.ID, Organization: p.Organization,
			GoneAt: &gone, LivesAgain: &lives, Ends: &ends, Refused: p.Refused,
		})
	}
	return printJSON(w, rows)
}

// showForeign prints whose the objects are that are taken over.
func showForeign(w io.Writer, foreign []controllers.Owned) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "KIND\tOBJECT\tORGANIZATION\tOF INSTALLATION\tTAKEN OVER")
	for _, o := range foreign {
		taken := "yes"
		if o.Refused != "" {
			taken = "no: " + o.Refused
		}
		fmt.Fprintf(table, "%s\t%s/%s\t%s\t%s\t%s\n", o.Kind, o.Namespace, o.Name, cmp.Or(organizationName(o), "-"), printable(o.Owner), taken)
	}
	return table.Flush()
}

func organizationName(o controllers.Owned) string {
	if o.Organization.Name == "" {
		return ""
	}
	return o.Organization.String()
}
